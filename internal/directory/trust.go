package directory

import (
	"fmt"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/policy"
)

// maxPrincipals bounds the accounts, users and roles that one trust policy names: each costs a read of the transaction, and
// the guards of the decision behind it must fit too. AWS has no such number; the default size has room for some 60 ARNs.
const maxPrincipals = 80

// bindTrust checks a trust policy and returns its stored form: the ARN of a user or role stands replaced by the entity's
// unique ID, that of a role session by the role's ID, a colon and the session's name (S2-21). Every account, user and role
// that is named must exist; notYet is the ID of a role that is just being made and does not count.
//
// Other principals stay as written: everybody, services, identity providers, federated users.
func (tx *Tx) bindTrust(acct *entity.Account, text, notYet string) (string, error) {
	doc, err := checkDocument(policy.Trust, text)
	if err != nil {
		return "", err
	}
	if err := checkQuota(acct, AssumeRolePolicySizeQuota, policy.Size(text)); err != nil {
		return "", err
	}
	b := &binder{tx: tx, notYet: notYet, known: make(map[string]string)}
	stored := make(map[int]string)
	for _, p := range doc.Principals() {
		if p.Type != "AWS" {
			continue
		}
		bound, err := b.bind(p.Value)
		if err != nil {
			return "", err
		}
		if bound == "" {
			return "", &fault.Error{Kind: fault.MalformedDocument, Subject: p.Value,
				Message: fmt.Sprintf(`Invalid principal in policy: "%s":"%s"`, p.Type, p.Value)}
		}
		if bound != p.Value {
			stored[p.Start] = bound
		}
	}
	return rewrite(text, stored)
}

func rewrite(text string, contents map[int]string) (string, error) {
	if len(contents) == 0 {
		return text, nil
	}
	out, err := policy.Rewrite([]byte(text), contents)
	return string(out), fault.Wrap(err, "replacing principals")
}

// binder resolves the principals of one document.
type binder struct {
	tx     *Tx
	notYet string
	known  map[string]string // what was asked before → the answer
}

// bind returns the stored form of a principal of type AWS, empty where there is no such principal.
func (b *binder) bind(value string) (string, error) {
	if value == "*" {
		return value, nil
	}
	if bound, ok := b.known[value]; ok {
		return bound, nil
	}
	if len(b.known) >= maxPrincipals {
		return "", &fault.Error{Kind: fault.LimitExceeded,
			Message: fmt.Sprintf("Cannot exceed quota for PrincipalsPerTrustPolicy: %d", maxPrincipals)}
	}
	bound, err := b.resolve(value)
	b.known[value] = bound
	return bound, err
}

func (b *binder) resolve(value string) (string, error) {
	if isAccountID(value) {
		return b.inAccount(value, value)
	}
	if !strings.HasPrefix(value, "arn:") {
		return b.uniqueID(value)
	}
	if rest, ok := strings.CutPrefix(value, "arn:"+entity.Partition+":iam::"); ok {
		account, resource, _ := strings.Cut(rest, ":")
		if !isAccountID(account) {
			return "", nil
		}
		if resource == "root" {
			return b.inAccount(account, value)
		}
		kind, _, _ := strings.Cut(resource, "/")
		if kind == "user" || kind == "role" {
			return b.entity(account, entity.Kind(kind), value)
		}
		return "", nil
	}
	rest, ok := strings.CutPrefix(value, "arn:"+entity.Partition+":sts::")
	account, resource, _ := strings.Cut(rest, ":")
	if !ok || !isAccountID(account) {
		return "", nil
	}
	if name, ok := strings.CutPrefix(resource, "federated-user/"); ok && name != "" {
		return b.inAccount(account, value)
	}
	if session, ok := strings.CutPrefix(resource, "assumed-role/"); ok {
		role, session, _ := strings.Cut(session, "/")
		return b.session(account, role, session)
	}
	return "", nil
}

// inAccount returns value if the account exists.
func (b *binder) inAccount(account, value string) (string, error) {
	found, err := read[entity.Account](b.tx, entity.AccountKey(account))
	if err != nil || found == nil {
		return "", err
	}
	return value, nil
}

// entity returns the ID of the user or role that bears exactly this ARN, case and path included.
func (b *binder) entity(account string, kind entity.Kind, arn string) (string, error) {
	name := arn[strings.LastIndexByte(arn, '/')+1:]
	ref, err := b.tx.named(account, kind, name)
	if err != nil || ref == nil || ref.ARN() != arn || ref.ID == b.notYet {
		return "", err
	}
	return ref.ID, nil
}

// session returns ID:session for a session of an existing role. The ARN of a session has no path.
func (b *binder) session(account, role, session string) (string, error) {
	if checkName("roleSessionName", session, 64) != nil {
		return "", nil
	}
	ref, err := b.tx.named(account, entity.KindRole, role)
	if err != nil || ref == nil || ref.Name != role || ref.ID == b.notYet {
		return "", err
	}
	return ref.ID + ":" + session, nil
}

// uniqueID returns a unique ID, with or without a session, of a user or role that exists: what a reader of a stored policy
// may send back.
func (b *binder) uniqueID(value string) (string, error) {
	id, session, hasSession := strings.Cut(value, ":")
	ref, err := read[entity.Ref](b.tx, entity.UniqueIDKey(id))
	if err != nil || ref == nil || id == b.notYet {
		return "", err
	}
	if hasSession && (ref.Kind != entity.KindRole || checkName("roleSessionName", session, 64) != nil) {
		return "", nil
	}
	if ref.Kind != entity.KindUser && ref.Kind != entity.KindRole {
		return "", nil
	}
	return value, nil
}

// ShowTrust returns a stored trust policy as its readers see it: a unique ID is the ARN of its entity again, as long as
// that exists (S2-22). arnOf looks up the ARN of a user or role.
func ShowTrust(stored string, arnOf func(uniqueID string) (arn string, ok bool)) string {
	doc, err := policy.Parse([]byte(stored))
	if err != nil {
		return stored
	}
	shown := make(map[int]string)
	for _, p := range doc.Principals() {
		if p.Type != "AWS" || p.Value == "*" || isAccountID(p.Value) || strings.HasPrefix(p.Value, "arn:") {
			continue
		}
		id, session, hasSession := strings.Cut(p.Value, ":")
		arn, ok := arnOf(id)
		if !ok {
			continue
		}
		if hasSession {
			account, path, _ := strings.Cut(strings.TrimPrefix(arn, "arn:"+entity.Partition+":iam::"), ":")
			arn = entity.AssumedRoleARN(account, path[strings.LastIndexByte(path, '/')+1:], session)
		}
		shown[p.Start] = arn
	}
	text, err := rewrite(stored, shown)
	if err != nil {
		return stored
	}
	return text
}
