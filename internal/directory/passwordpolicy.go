package directory

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Bounds of password policies (S1-166, S1-174, S1-175).
const (
	leastLength     = 6
	maxPassword     = 128
	maxPasswordAge  = 1095 * day
	passwordHistory = 24
	day             = 24 * time.Hour

	// DefaultMinimumLength is the minimum length of a password policy that names none ("UpdateAccountPasswordPolicy").
	DefaultMinimumLength = leastLength
)

// The symbols that count as such: of users (S1-170), and of the root user, whose set differs (S1-23).
const (
	userSymbols = "!@#$%^&*()_+-=[]{}|'"
	rootSymbols = "!@#$%^&*()<>[]{}|_+=-"
)

// SetPasswordPolicy puts a policy in the place of the one that the account has, if any; nothing of that one stays. Passwords
// that there are go on being good, except that they may have expired now (S1-178).
func (tx *Tx) SetPasswordPolicy(account string, p entity.PasswordPolicy) (err error) {
	defer tx.note(&err)
	bad := func(parameter string) error {
		return &fault.Error{Kind: fault.Invalid, Subject: parameter, Message: "The specified value for " + parameter + " is out of its range."}
	}
	switch {
	case p.MinimumLength < leastLength || p.MinimumLength > maxPassword:
		return bad("minimumPasswordLength")
	case p.MaximumAge < 0 || p.MaximumAge > maxPasswordAge || p.MaximumAge%day != 0:
		return bad("maxPasswordAge")
	case p.ReusePrevention < 0 || p.ReusePrevention > passwordHistory:
		return bad("passwordReusePrevention")
	}
	return tx.replacePasswordPolicy(account, &p)
}

// DeletePasswordPolicy goes back to AWS's default.
func (tx *Tx) DeletePasswordPolicy(account string) (err error) {
	defer tx.note(&err)
	return tx.replacePasswordPolicy(account, nil)
}

func (tx *Tx) replacePasswordPolicy(account string, p *entity.PasswordPolicy) error {
	acct, err := tx.account(account)
	if err != nil {
		return err
	}
	was := acct.PasswordPolicy
	if p == nil && was == nil {
		return &fault.Error{Kind: fault.NotFound, Subject: "PasswordPolicy", Message: "The account policy with name PasswordPolicy cannot be found."}
	}
	acct.PasswordPolicy = p
	tx.put(entity.AccountKey(account), acct)
	if (was != nil && was.UsersMayChange) != (p != nil && p.UsersMayChange) {
		tx.bumpEpoch(account) // it is a grant to all users
	}
	return nil
}

// passwordRules are what a new password is held to. They are comparable: a password that was checked under some rules is good
// as long as the rules are the same.
type passwordRules struct {
	standard    bool // AWS's default, and always that of the root user (S1-22, S1-25)
	symbols     string
	name, email string // of the account, for the default
	policy      entity.PasswordPolicy
}

func rulesFor(acct *entity.Account, t Target) passwordRules {
	if t.Kind == entity.KindAccount {
		return passwordRules{standard: true, symbols: rootSymbols, name: acct.Name, email: acct.Email}
	}
	if acct.PasswordPolicy == nil {
		return passwordRules{standard: true, symbols: userSymbols, name: acct.Name, email: acct.Email}
	}
	return passwordRules{symbols: userSymbols, policy: *acct.PasswordPolicy}
}

// classes says which kinds of characters a password has, in the order of the sentences below.
func classes(text, symbols string) (has [4]bool) {
	for i := range len(text) {
		switch c := text[i]; {
		case 'A' <= c && c <= 'Z':
			has[0] = true
		case 'a' <= c && c <= 'z':
			has[1] = true
		case '0' <= c && c <= '9':
			has[2] = true
		case strings.IndexByte(symbols, c) >= 0:
			has[3] = true
		}
	}
	return has
}

// wants are the ends of AWS's sentences on kinds of characters.
var wants = [4]string{"uppercase letter", "lowercase letter", "number", "symbol"}

func shouldHave(i int) string { return "Password should have at least one " + wants[i] }

// check fails with all that is wrong with a new password, apart from what earlier ones have to do with it.
func (r *passwordRules) check(text string) error {
	if err := checkPasswordText(text); err != nil {
		return err
	}
	var wrong []string
	least := r.policy.MinimumLength
	if r.standard {
		least = 8
	}
	if utf8.RuneCountInString(text) < least {
		wrong = append(wrong, fmt.Sprintf("Password should have a minimum length of %d", least))
	}
	if has := classes(text, r.symbols); r.standard {
		wrong = append(wrong, r.standardWrongs(text, has)...)
	} else {
		for i, required := range [4]bool{r.policy.Upper, r.policy.Lower, r.policy.Numbers, r.policy.Symbols} {
			if required && !has[i] {
				wrong = append(wrong, shouldHave(i))
			}
		}
	}
	if len(wrong) > 0 {
		return &fault.Error{Kind: fault.WeakPassword, Message: strings.Join(wrong, ", ")}
	}
	return nil
}

// standardWrongs holds a password to the default: three of four kinds, and neither the account's name nor its email address.
func (r *passwordRules) standardWrongs(text string, has [4]bool) (wrong []string) {
	const enough = 3
	n, missing := 0, []string(nil)
	for i := range has {
		if has[i] {
			n++
		} else {
			missing = append(missing, shouldHave(i))
		}
	}
	if n < enough {
		wrong = append(wrong, fmt.Sprintf("Password should meet %d more of the following requirements: %s", enough-n, strings.Join(missing, ", ")))
	}
	if r.name != "" && strings.EqualFold(text, r.name) || r.email != "" && strings.EqualFold(text, r.email) {
		wrong = append(wrong, "Password should not be the name or the email address of the account")
	}
	return wrong
}

// checkPasswordText: 1 to 128 of tab, line feed, carriage return and U+0020 to U+00FF (S4-238, S4-247, the API's pattern).
func checkPasswordText(text string) error {
	n := 0
	for _, c := range text {
		if c != '\t' && c != '\n' && c != '\r' && (c < ' ' || c > 0xFF) {
			n = maxPassword
		}
		n++
	}
	if n < 1 || n > maxPassword || !utf8.ValidString(text) {
		return &fault.Error{Kind: fault.Invalid, Subject: "password", Message: "The specified value for password is invalid."}
	}
	return nil
}

// PasswordExpiry says until when a password can be used to sign in; ok is false where it does not expire. The root user's
// does not (S1-25).
func PasswordExpiry(acct *entity.Account, p *entity.LoginProfile) (at time.Time, ok bool) {
	if p.User == acct.ID || acct.PasswordPolicy == nil || acct.PasswordPolicy.MaximumAge == 0 {
		return time.Time{}, false
	}
	return p.ChangedAt.Add(acct.PasswordPolicy.MaximumAge), true
}
