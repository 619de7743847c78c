package sts_test

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

const (
	wrongDevice = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."
	wrongCode   = "MultiFactorAuthentication failed with invalid MFA one time pass code."
	oneHalf     = "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
)

// device is somebody's authenticator app: it knows a seed and reads the node's clock.
type device struct {
	w      *world
	serial string
	seed   []byte
}

// code is what the device shows, skip steps from now.
func (d *device) code(skip int64) *string {
	return aws.String(credential.Code(d.seed, credential.StepAt(d.w.now())+skip).Reveal())
}

// next waits for the next code and reads it.
func (d *device) next() *string {
	d.w.offset.Add(int64(credential.CodeStep))
	return d.code(0)
}

// virtual makes a virtual device that is nobody's.
func (w *world) virtual(a account, name string) *device {
	w.t.Helper()
	out, err := w.iam(static(a.root)).CreateVirtualMFADevice(w.t.Context(), &sdkiam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name})
	if err != nil {
		w.t.Fatal(err)
	}
	seed, err := credential.ParseSeed(secret.New(string(out.VirtualMFADevice.Base32StringSeed)))
	if err != nil {
		w.t.Fatal(err)
	}
	return &device{w, *out.VirtualMFADevice.SerialNumber, seed}
}

// device gives a user a device of their name.
func (w *world) device(a account, user string) *device {
	w.t.Helper()
	d := w.virtual(a, user)
	if _, err := w.iam(static(a.root)).EnableMFADevice(w.t.Context(), &sdkiam.EnableMFADeviceInput{
		UserName: &user, SerialNumber: &d.serial, AuthenticationCode1: d.code(-1), AuthenticationCode2: d.code(0),
	}); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// token calls GetSessionToken with a serial number and a code, either of which may be nil.
func (w *world) token(c aws.Credentials, serial, code *string) (aws.Credentials, error) {
	out, err := w.sts(c).GetSessionToken(w.t.Context(), &sdk.GetSessionTokenInput{SerialNumber: serial, TokenCode: code, DurationSeconds: aws.Int32(36000)})
	if err != nil {
		return aws.Credentials{}, err
	}
	return credentials(out.Credentials), nil
}

// authenticated is a session of GetSessionToken with the device's next code.
func (w *world) authenticated(c aws.Credentials, d *device) aws.Credentials {
	w.t.Helper()
	s, err := w.token(c, &d.serial, d.next())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// with passes a serial number and a code to AssumeRole.
func with(serial, code *string) func(*sdk.AssumeRoleInput) {
	return func(in *sdk.AssumeRoleInput) { in.SerialNumber, in.TokenCode = serial, code }
}

// TestCodes: which codes are taken, by both operations that take any.
func TestCodes(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "worker", trusts(a.id), allow("sts:*", "*"))
	ann, bob := w.user(a, "ann", allow("sts:*", "*")), w.user(a, "bob", allow("sts:*", "*"))
	mine, his, free := w.device(a, "ann"), w.device(a, "bob"), w.virtual(a, "free")
	both := func(t *testing.T, c aws.Credentials, serial *string, code func() *string, say string) {
		t.Helper()
		_, err := w.assume(c, role, with(serial, code()))
		refused(t, err, 403, "AccessDenied", say)
		_, err = w.token(c, serial, code())
		refused(t, err, 403, "AccessDenied", say)
	}
	always := func(code string) func() *string { return func() *string { return &code } }
	none := func() *string { return nil }

	t.Run("half", func(t *testing.T) {
		both(t, ann, &mine.serial, none, oneHalf)
		both(t, ann, nil, mine.next, oneHalf)
	})
	t.Run("not this user's device", func(t *testing.T) {
		checklist.Shows(t, "S1-262", "S1-265", "S1-212", "S1-47")
		both(t, ann, aws.String(a.arn("mfa/nothing")), always("123456"), wrongDevice)
		both(t, ann, aws.String("GAHT12345678"), always("123456"), wrongDevice)
		both(t, ann, &his.serial, his.next, wrongDevice)
		both(t, ann, &free.serial, free.next, wrongDevice)
		both(t, ann, aws.String(a.arn("user/ann")), mine.next, wrongDevice)
	})
	t.Run("a wrong code", func(t *testing.T) {
		checklist.Shows(t, "S1-262", "S1-47")
		_, err := w.assume(ann, role, with(&mine.serial, his.next()))
		refused(t, err, 403, "AccessDenied", wrongCode)
		_, err = w.token(ann, &mine.serial, mine.code(4))
		refused(t, err, 403, "AccessDenied", wrongCode)
		_, err = w.token(ann, &mine.serial, mine.code(-4))
		refused(t, err, 403, "AccessDenied", wrongCode)
	})
	t.Run("used once", func(t *testing.T) {
		checklist.Shows(t, "S1-205", "S1-392")
		code := mine.next()
		if _, err := w.token(ann, &mine.serial, code); err != nil {
			t.Fatal(err)
		}
		both(t, ann, &mine.serial, always(*code), wrongCode)
		if _, err := w.assume(ann, role, with(&mine.serial, mine.next())); err != nil {
			t.Errorf("the next code: %v", err)
		}
	})
	t.Run("with long-term keys only", func(t *testing.T) {
		checklist.Shows(t, "S1-270")
		s := w.authenticated(ann, mine)
		_, err := w.token(s, &mine.serial, mine.next())
		refused(t, err, 403, "AccessDenied", "Cannot call GetSessionToken with session credentials")
		if _, err := w.assume(s, role, with(&mine.serial, mine.next())); err != nil {
			t.Errorf("AssumeRole with a session and a code: %v", err)
		}
	})
	t.Run("root and role sessions have none", func(t *testing.T) {
		checklist.Shows(t, "S1-263", "S1-30")
		_, err := w.token(a.root, &mine.serial, mine.next())
		refused(t, err, 403, "AccessDenied", wrongDevice)
		for _, serial := range []string{a.arn("mfa/root-account-mfa-device"), a.arn("sms-mfa/root")} {
			_, err = w.token(a.root, &serial, aws.String("123456"))
			refused(t, err, 403, "AccessDenied", wrongDevice)
			_, err = w.assume(a.root, role, with(&serial, aws.String("123456")))
			if err == nil || !strings.Contains(err.Error(), "AccessDenied") {
				t.Errorf("the root user takes a role: %v", err)
			}
		}
		_, err = w.assume(a.root, role, nil)
		refused(t, err, 403, "AccessDenied", "Roles may not be assumed by root accounts.")
		worker := w.session(ann, role, nil)
		_, err = w.assume(worker, role, with(&mine.serial, mine.next()))
		refused(t, err, 403, "AccessDenied", wrongDevice)
	})
	t.Run("not after the device is gone", func(t *testing.T) {
		checklist.Shows(t, "S1-245")
		if _, err := w.iam(static(a.root)).DeactivateMFADevice(t.Context(), &sdkiam.DeactivateMFADeviceInput{UserName: aws.String("bob"), SerialNumber: &his.serial}); err != nil {
			t.Fatal(err)
		}
		both(t, bob, &his.serial, his.next, wrongDevice)
	})
}

// TestGuessing: after a few wrong codes no code is taken for a while.
func TestGuessing(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	ann := w.user(a, "ann")
	d, other := w.device(a, "ann"), w.virtual(a, "other")
	for range 5 {
		_, err := w.token(ann, &d.serial, other.code(0))
		refused(t, err, 403, "AccessDenied", wrongCode)
	}
	_, err := w.token(ann, &d.serial, d.code(1))
	refused(t, err, 403, "AccessDenied", wrongCode)
	w.offset.Add(int64(31 * time.Second))
	if _, err := w.token(ann, &d.serial, d.code(0)); err != nil {
		t.Errorf("after a while: %v", err)
	}
}

// keyRoles makes one role for each thing that a trust policy can find out about the keys of multi-factor authentication.
func (w *world) keyRoles(a account) (tell func(c aws.Credentials, change func(*sdk.AssumeRoleInput)) string) {
	w.t.Helper()
	conditions := map[string]string{
		"true":    `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`,
		"false":   `{"Bool":{"aws:MultiFactorAuthPresent":"false"}}`,
		"absent":  `{"Null":{"aws:MultiFactorAuthPresent":"true"}}`,
		"ageless": `{"Null":{"aws:MultiFactorAuthAge":"true"}}`,
		"young":   `{"NumericLessThan":{"aws:MultiFactorAuthAge":"600"}}`,
		"old":     `{"NumericGreaterThanEquals":{"aws:MultiFactorAuthAge":"600"}}`,
	}
	roles := make(map[string]string)
	for name, condition := range conditions {
		roles[name] = w.role(a, "key-"+name, *document(trust(a.id, condition, "sts:AssumeRole")))
	}
	return func(c aws.Credentials, change func(*sdk.AssumeRoleInput)) string {
		w.t.Helper()
		var found []string
		for name, role := range roles {
			if _, err := w.assume(c, role, change); err == nil {
				found = append(found, name)
			} else if !strings.Contains(err.Error(), "no role trust policy allows") {
				w.t.Errorf("%s: %v", name, err)
			}
		}
		slices.Sort(found)
		return strings.Join(found, " ")
	}
}

// TestMFAKeys is the table of docs/aws-behaviour.md (D4): the two keys by kind of credentials, as a trust policy sees them.
func TestMFAKeys(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	may := allow("sts:AssumeRole", "*")
	tell := w.keyRoles(a)
	role := w.role(a, "worker", trusts(a.id), may)
	ann := w.user(a, "ann", may)
	d := w.device(a, "ann")
	code := func(in *sdk.AssumeRoleInput) { in.SerialNumber, in.TokenCode = &d.serial, d.next() }
	check := func(name, want string, got func() string, items ...string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, items...)
			if got := got(); got != want {
				t.Errorf("the keys are %q, want %q", got, want)
			}
		})
	}
	plain, err := w.token(ann, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	proven := w.authenticated(ann, d)
	check("long-term key", "absent ageless", func() string { return tell(ann, nil) }, "S1-255", "S4-176")
	check("long-term key, with a code", "true young", func() string { return tell(ann, code) }, "S2-104", "S2-24")
	check("GetSessionToken without a code", "ageless false", func() string { return tell(plain, nil) }, "S1-253", "S1-255", "S4-176")
	check("GetSessionToken without a code, with a code", "true young", func() string { return tell(plain, code) }, "S2-104")
	check("GetSessionToken with a code", "true young", func() string { return tell(proven, nil) }, "S1-258", "S2-104", "S4-177")
	check("AssumeRole without a code", "ageless false", func() string { return tell(w.session(ann, role, nil), nil) }, "S1-253", "S1-257")
	check("AssumeRole with a code", "ageless false", func() string { return tell(w.session(ann, role, code), nil) }, "S1-257", "S2-104")
	check("AssumeRole by an authenticated session", "ageless false", func() string { return tell(w.session(proven, role, nil), nil) }, "S1-257", "S2-104")
	check("chained", "ageless false", func() string { return tell(w.session(w.session(ann, role, code), role, nil), nil) }, "S1-257")
	w.offset.Add(int64(2 * time.Hour))
	check("GetSessionToken with a code, two hours ago", "old true", func() string { return tell(proven, nil) }, "S2-327", "S4-177")
	check("GetSessionToken with a code two hours ago, with a code", "true young", func() string { return tell(proven, code) }, "S2-104")
}

// TestGetSessionTokenWithMFA: with a code, a user's session reaches IAM, and its events say that it is authenticated.
func TestGetSessionTokenWithMFA(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	ann := w.user(a, "ann", allow("iam:*", "*"), allow("sts:*", "*"))
	d := w.device(a, "ann")
	proven := w.authenticated(ann, d)
	t.Run("IAM", func(t *testing.T) {
		checklist.Shows(t, "S1-259", "S2-329", "S1-258", "S1-434", "S2-328", "S2-334")
		if got := w.may(proven); got != "users groups" {
			t.Errorf("may list %q", got)
		}
		plain, err := w.token(ann, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.iam(static(plain)).ListUsers(t.Context(), &sdkiam.ListUsersInput{})
		refused(t, err, 403, "InvalidClientTokenId", "The security token included in the request is invalid")
		_, err = w.sts(proven).GetAccessKeyInfo(t.Context(), &sdk.GetAccessKeyInfoInput{AccessKeyId: &ann.AccessKeyID})
		refused(t, err, 403, "AccessDenied", "Cannot call GetAccessKeyInfo with session credentials")
	})
	t.Run("duration", func(t *testing.T) {
		checklist.Shows(t, "S1-269")
		out, err := w.sts(ann).GetSessionToken(t.Context(), &sdk.GetSessionTokenInput{SerialNumber: &d.serial, TokenCode: d.next(), DurationSeconds: aws.Int32(3600)})
		if err != nil {
			t.Fatal(err)
		}
		if left := out.Credentials.Expiration.Sub(w.now()); left > time.Hour || left < 59*time.Minute {
			t.Errorf("lasts %s", left)
		}
	})
	t.Run("events", func(t *testing.T) {
		checklist.Shows(t, "S2-390", "S2-411")
		role := w.role(a, "worker", trusts(a.id))
		code := d.next()
		if _, err := w.assume(ann, role, with(&d.serial, code)); err != nil {
			t.Fatal(err)
		}
		events, err := w.node.Events(t.Context(), a.id)
		if err != nil {
			t.Fatal(err)
		}
		authenticated, assumed := false, false
		for _, e := range events {
			text := string(e.Append(nil))
			if e.Name == "ListUsers" && e.ErrorCode == "" && e.Identity.AccessKeyID == proven.AccessKeyID {
				authenticated = strings.Contains(text, `"mfaAuthenticated":"true"`)
			}
			if e.Name == "AssumeRole" {
				assumed = strings.Contains(string(e.RequestParameters), `"serialNumber":"`+d.serial+`"`)
			}
			if strings.Contains(text, `"`+*code+`"`) {
				t.Errorf("the code is on record: %s", text)
			}
		}
		if !authenticated || !assumed {
			t.Errorf("recorded as authenticated: %v; with the serial number: %v", authenticated, assumed)
		}
	})
}

// TestMFAProvider: what the CLI does for a profile with mfa_serial, with the SDK's own provider.
func TestMFAProvider(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	role := w.role(a, "worker", *document(trust(a.id, `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`, "sts:AssumeRole")), allow("iam:ListUsers", "*"))
	ann := w.user(a, "ann", allow("sts:AssumeRole", role))
	d := w.device(a, "ann")
	provider := func(code func() (string, error)) *stscreds.AssumeRoleProvider {
		return stscreds.NewAssumeRoleProvider(w.sts(ann), role, func(o *stscreds.AssumeRoleOptions) {
			if code != nil {
				o.SerialNumber, o.TokenProvider = &d.serial, code
			}
		})
	}
	right := provider(func() (string, error) { return *d.next(), nil })
	if _, err := w.iam(right).ListUsers(t.Context(), &sdkiam.ListUsersInput{}); err != nil {
		t.Error(err)
	}
	if _, err := right.Retrieve(t.Context()); err != nil {
		t.Errorf("another session with another code: %v", err)
	}
	if _, err := provider(func() (string, error) { return "000000", nil }).Retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), wrongCode) {
		t.Errorf("with a wrong code: %v", err)
	}
	_, err := w.assume(ann, role, nil)
	denied(t, err, a.arn("user/ann"), "sts:AssumeRole", role, noTrust)
}

// TestCrossAccountMFA is the guide's example of cross-account delegation: Bob of account A and the role of account B.
func TestCrossAccountMFA(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	books := allow("iam:ListUsers", "*")
	role := w.role(b, "CrossAccountRole", *document(trust(a.id, `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`, "sts:AssumeRole")), books)
	bob := w.user(a, "bob", allow("sts:AssumeRole", "*"))
	eve := w.user(a, "eve", allow("sts:AssumeRole", role), allow("iam:*MFADevice", "*"))
	d := w.device(a, "bob")
	t.Run("only with a code", func(t *testing.T) {
		checklist.Shows(t, "S1-254", "S1-262", "S2-24", "S1-261", "S2-97")
		_, err := w.assume(bob, role, nil)
		denied(t, err, a.arn("user/bob"), "sts:AssumeRole", role, "")
		_, err = w.assume(eve, role, with(&d.serial, d.next()))
		refused(t, err, 403, "AccessDenied", wrongDevice)
		if got := w.may(w.session(bob, role, with(&d.serial, d.next()))); got != "users" {
			t.Errorf("may list %q", got)
		}
	})
	t.Run("not in the role's own policy", func(t *testing.T) {
		checklist.Shows(t, "S1-257", "S1-261")
		c := w.iam(static(b.root))
		if _, err := c.PutRolePolicy(t.Context(), &sdkiam.PutRolePolicyInput{RoleName: aws.String("CrossAccountRole"), PolicyName: aws.String("test"), PolicyDocument: document(
			strings.TrimSuffix(books, "}") + `,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}}`)}); err != nil {
			t.Fatal(err)
		}
		if got := w.may(w.session(bob, role, with(&d.serial, d.next()))); got != "" {
			t.Errorf("may list %q", got)
		}
	})
	t.Run("no condition, no check", func(t *testing.T) {
		checklist.Shows(t, "S1-264")
		w.session(bob, w.role(b, "open", trusts(a.id)), func(in *sdk.AssumeRoleInput) {})
	})
	t.Run("whoever may make a device can show one", func(t *testing.T) {
		checklist.Shows(t, "S1-266")
		own := w.device(a, "eve")
		w.session(eve, role, with(&own.serial, own.next()))
	})
}

// TestMFAPolicies is the guide's sample policies by kind of credentials. Calls of EC2 are played by AssumeRole: the role's name
// is the action's.
func TestMFAPolicies(t *testing.T) {
	const everything = `{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}`
	stop := func(operator, key, value string) string {
		return fmt.Sprintf(`{"Effect":"Deny","Action":"sts:AssumeRole","Resource":["arn:aws:iam::*:role/Stop","arn:aws:iam::*:role/Terminate"],"Condition":{%q:{%q:%s}}}`, operator, key, value)
	}
	recent := func(operator string) string {
		return strings.TrimSuffix(everything, "}") + `,"Condition":{"` + operator + `":{"aws:MultiFactorAuthAge":"3600"}}}`
	}
	type by struct{ key, plain, proven, aged string } // the calls that each kind of credentials is allowed
	const all, describe = "Describe Stop Terminate", "Describe"
	for _, c := range []struct {
		name       string
		items      []string
		statements []string
		want       by
	}{
		{"1: granted after recent authentication", []string{"S1-254", "S1-256"}, []string{recent("NumericLessThan")}, by{"", "", all, ""}},
		{"1: with IfExists", []string{"S1-256"}, []string{recent("NumericLessThanIfExists")}, by{all, all, all, ""}},
		{"2: denied without authentication", []string{"S1-256", "S1-268"}, []string{everything, stop("BoolIfExists", "aws:MultiFactorAuthPresent", "false")},
			by{describe, describe, all, all}},
		{"2: with plain Bool", []string{"S1-256", "S1-435"}, []string{everything, stop("Bool", "aws:MultiFactorAuthPresent", `"false"`)},
			by{all, describe, all, all}},
		{"3: denied without recent authentication", []string{"S1-256"}, []string{everything, stop("BoolIfExists", "aws:MultiFactorAuthPresent", "false"),
			stop("NumericGreaterThanIfExists", "aws:MultiFactorAuthAge", `"3600"`)}, by{describe, describe, all, describe}},
		{"Null denies long-term keys", []string{"S4-131"}, []string{everything, stop("Null", "aws:MultiFactorAuthPresent", "true")}, by{describe, all, all, all}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			a := w.account("a")
			roles := []string{"Describe", "Stop", "Terminate"}
			for _, name := range roles {
				w.role(a, name, trusts(a.id))
			}
			carol := w.user(a, "carol", c.statements...)
			d := w.device(a, "carol")
			can := func(who aws.Credentials) string {
				var found []string
				for _, name := range roles {
					if _, err := w.assume(who, a.arn("role/"+name), nil); err == nil {
						found = append(found, name)
					}
				}
				return strings.Join(found, " ")
			}
			plain, err := w.token(carol, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			proven := w.authenticated(carol, d)
			got := by{key: can(carol), plain: can(plain), proven: can(proven)}
			w.offset.Add(int64(time.Hour + time.Minute))
			got.aged = can(proven)
			checklist.Shows(t, c.items...)
			if got != c.want {
				t.Errorf("allowed %+v, want %+v", got, c.want)
			}
		})
	}
}

// forceMFA is the guide's policy that lets users manage their own device and nothing else until they have used it, as far as it
// is about what is there.
const forceMFA = `{"Effect":"Allow","Action":["iam:ListAccountAliases","iam:ListUsers","iam:ListVirtualMFADevices","iam:GetAccountSummary"],"Resource":"*"},
{"Effect":"Allow","Action":["iam:CreateAccessKey","iam:ListAccessKeys"],"Resource":"arn:aws:iam::*:user/${aws:username}"},
{"Effect":"Allow","Action":"iam:ListMFADevices","Resource":["arn:aws:iam::*:mfa/*","arn:aws:iam::*:user/${aws:username}"]},
{"Effect":"Allow","Action":["iam:CreateVirtualMFADevice","iam:DeleteVirtualMFADevice","iam:EnableMFADevice","iam:ResyncMFADevice"],
 "Resource":["arn:aws:iam::*:mfa/${aws:username}","arn:aws:iam::*:user/${aws:username}"]},
{"Effect":"Allow","Action":"iam:DeactivateMFADevice","Resource":["arn:aws:iam::*:mfa/${aws:username}","arn:aws:iam::*:user/${aws:username}"],
 "Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"}}},
{"Effect":"Deny","NotAction":["iam:CreateVirtualMFADevice","iam:DeleteVirtualMFADevice","iam:ListVirtualMFADevices","iam:EnableMFADevice",
 "iam:ResyncMFADevice","iam:ListAccountAliases","iam:ListUsers","iam:ListAccessKeys","iam:ListMFADevices","iam:GetAccountSummary","sts:GetSessionToken"],
 "Resource":"*","Condition":{"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}}}`

// TestForceMFA: a user with a key makes a device, enables it and from then on may what the device opens.
func TestForceMFA(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	ctx := t.Context()
	key := w.user(a, "MFAUser", forceMFA, allow("iam:ListGroups", "*"))
	w.user(a, "other")
	c := w.iam(static(key))
	role := w.role(a, "EC2", trusts(a.id))
	if _, err := w.iam(static(a.root)).PutUserPolicy(ctx, &sdkiam.PutUserPolicyInput{UserName: aws.String("MFAUser"), PolicyName: aws.String("ec2"),
		PolicyDocument: document(allow("sts:AssumeRole", role))}); err != nil {
		t.Fatal(err)
	}
	t.Run("before", func(t *testing.T) {
		checklist.Shows(t, "S1-344")
		if got := w.may(key); got != "users" {
			t.Errorf("may list %q", got)
		}
		_, err := w.assume(key, role, nil)
		denied(t, err, a.arn("user/MFAUser"), "sts:AssumeRole", role, "with an explicit deny in an identity-based policy")
		_, err = c.CreateAccessKey(ctx, &sdkiam.CreateAccessKeyInput{})
		denied(t, err, a.arn("user/MFAUser"), "iam:CreateAccessKey", "user MFAUser", "with an explicit deny in an identity-based policy")
	})
	d := &device{w: w, serial: a.arn("mfa/MFAUser")}
	t.Run("their own device and no other", func(t *testing.T) {
		checklist.Shows(t, "S1-217", "S1-223", "S3-290")
		create := func(name string) (*sdkiam.CreateVirtualMFADeviceOutput, error) {
			return c.CreateVirtualMFADevice(ctx, &sdkiam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: &name})
		}
		_, err := create("other")
		denied(t, err, a.arn("user/MFAUser"), "iam:CreateVirtualMFADevice", a.arn("mfa/other"), "because no identity-based policy allows the iam:CreateVirtualMFADevice action")
		if _, err := create("MFAUser"); err != nil {
			t.Fatal(err)
		}
		// A device that was not enabled is no obstacle: its user deletes it without any.
		if _, err := c.DeleteVirtualMFADevice(ctx, &sdkiam.DeleteVirtualMFADeviceInput{SerialNumber: &d.serial}); err != nil {
			t.Fatal(err)
		}
		made, err := create("MFAUser")
		if err != nil {
			t.Fatal(err)
		}
		if d.seed, err = credential.ParseSeed(secret.New(string(made.VirtualMFADevice.Base32StringSeed))); err != nil {
			t.Fatal(err)
		}
		enable := func(user string) error {
			_, err := c.EnableMFADevice(ctx, &sdkiam.EnableMFADeviceInput{UserName: &user, SerialNumber: &d.serial, AuthenticationCode1: d.code(-1), AuthenticationCode2: d.code(0)})
			return err
		}
		denied(t, enable("other"), a.arn("user/MFAUser"), "iam:EnableMFADevice", "user other", "because no identity-based policy allows the iam:EnableMFADevice action")
		if err := enable("MFAUser"); err != nil {
			t.Fatal(err)
		}
	})
	deactivate := func(who aws.Credentials) error {
		_, err := w.iam(static(who)).DeactivateMFADevice(ctx, &sdkiam.DeactivateMFADeviceInput{SerialNumber: &d.serial})
		return err
	}
	t.Run("after", func(t *testing.T) {
		checklist.Shows(t, "S1-254", "S1-256", "S4-128")
		denied(t, deactivate(key), a.arn("user/MFAUser"), "iam:DeactivateMFADevice", "user MFAUser", "with an explicit deny in an identity-based policy")
		proven := w.authenticated(key, d)
		if got := w.may(proven); got != "users groups" {
			t.Errorf("may list %q", got)
		}
		w.session(proven, role, nil)
		if err := deactivate(proven); err != nil {
			t.Error(err)
		}
	})
}

// TestSelfServiceMFA holds two policies of the guide, word for word, for users who manage a device of their own name.
func TestSelfServiceMFA(t *testing.T) {
	const own = `["arn:aws:iam::ACCOUNT:mfa/${aws:username}","arn:aws:iam::ACCOUNT:user/${aws:username}"]`
	for item, c := range map[string]struct{ account, yes string }{"S3-316": {"*", `"true"`}, "S3-356": {"", "true"}} {
		t.Run(item, func(t *testing.T) {
			w := newWorld(t)
			a := w.account("a")
			ctx, of := t.Context(), strings.NewReplacer("ACCOUNT", c.account)
			if c.account == "" {
				of = strings.NewReplacer("ACCOUNT", a.id)
			}
			w.user(a, "other")
			ann := w.user(a, "ann",
				`{"Effect":"Allow","Action":["iam:CreateVirtualMFADevice","iam:EnableMFADevice","iam:ResyncMFADevice","iam:DeleteVirtualMFADevice"],"Resource":`+of.Replace(own)+`}`,
				`{"Sid":"AllowUsersToDeactivateTheirOwnVirtualMFADevice","Effect":"Allow","Action":["iam:DeactivateMFADevice"],"Resource":`+of.Replace(own)+
					`,"Condition":{"Bool":{"aws:MultiFactorAuthPresent":`+c.yes+`}}}`,
				`{"Effect":"Allow","Action":["iam:ListMFADevices","iam:ListVirtualMFADevices","iam:ListUsers"],"Resource":"*"}`)
			user, d := w.iam(static(ann)), &device{w: w, serial: a.arn("mfa/ann")}
			made, err := user.CreateVirtualMFADevice(ctx, &sdkiam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("ann")})
			if err != nil {
				t.Fatal(err)
			}
			if d.seed, err = credential.ParseSeed(secret.New(string(made.VirtualMFADevice.Base32StringSeed))); err != nil {
				t.Fatal(err)
			}
			checklist.Shows(t, item)
			enable := &sdkiam.EnableMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &d.serial, AuthenticationCode1: d.code(-1), AuthenticationCode2: d.code(0)}
			if _, err := user.EnableMFADevice(ctx, enable); err != nil {
				t.Fatal(err)
			}
			resync := &sdkiam.ResyncMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &d.serial, AuthenticationCode1: d.next(), AuthenticationCode2: d.next()}
			if _, err := user.ResyncMFADevice(ctx, resync); err != nil {
				t.Error(err)
			}
			resync.UserName = aws.String("other")
			_, err = user.ResyncMFADevice(ctx, resync)
			denied(t, err, a.arn("user/ann"), "iam:ResyncMFADevice", "user other", "because no identity-based policy allows the iam:ResyncMFADevice action")
			if out, err := user.ListVirtualMFADevices(ctx, &sdkiam.ListVirtualMFADevicesInput{}); err != nil || len(out.VirtualMFADevices) != 1 {
				t.Errorf("listing: %v, %v", out, err)
			}
			deactivate := &sdkiam.DeactivateMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &d.serial}
			_, err = user.DeactivateMFADevice(ctx, deactivate)
			denied(t, err, a.arn("user/ann"), "iam:DeactivateMFADevice", "user ann", "because no identity-based policy allows the iam:DeactivateMFADevice action")
			if _, err := w.iam(static(w.authenticated(ann, d))).DeactivateMFADevice(ctx, deactivate); err != nil {
				t.Error(err)
			}
			if _, err := user.DeleteVirtualMFADevice(ctx, &sdkiam.DeleteVirtualMFADeviceInput{SerialNumber: &d.serial}); err != nil {
				t.Error(err)
			}
		})
	}
}

// operator asks the operator API and returns status and answer.
func (w *world) operator(method, path, body string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+"/_ostiary/v1/"+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.node.OperatorToken().Reveal())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestHardwareToken: from the operator's inventory to a session, and back.
func TestHardwareToken(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	ctx, root := t.Context(), w.iam(static(a.root))
	ann := w.user(a, "ann")
	const seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	raw, err := credential.ParseSeed(secret.New(seed))
	if err != nil {
		t.Fatal(err)
	}
	d := &device{w, "GAHT12345678", raw}
	enable := func() error {
		_, err := root.EnableMFADevice(ctx, &sdkiam.EnableMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &d.serial, AuthenticationCode1: d.code(-1), AuthenticationCode2: d.code(0)})
		return err
	}
	checklist.Shows(t, "S1-227", "S1-228", "S1-229")
	refused(t, enable(), 404, "NoSuchEntity", "VirtualMFADevice with serial number GAHT12345678 does not exist.")
	if status, text := w.operator("POST", "mfa-tokens", `{"SerialNumber":"GAHT12345678","Seed":"`+seed+`"}`); status != 200 || strings.Contains(text, seed) {
		t.Fatalf("loading answers %d %s", status, text)
	}
	if err := enable(); err != nil {
		t.Fatal(err)
	}
	if got := w.may(w.authenticated(ann, d)); got != "" { // reaches IAM, and has no permission there
		t.Errorf("may list %q", got)
	}
	if status, text := w.operator("GET", "mfa-tokens", ""); status != 200 || !strings.Contains(text, `"AccountId":"`+a.id+`"`) || strings.Contains(text, seed) {
		t.Errorf("the list answers %d %s", status, text)
	}
	if status, text := w.operator("DELETE", "mfa-tokens?serialNumber=GAHT12345678", ""); status != 409 {
		t.Errorf("removing what is in use answers %d %s", status, text)
	}
	if _, err := root.DeactivateMFADevice(ctx, &sdkiam.DeactivateMFADeviceInput{UserName: aws.String("ann"), SerialNumber: &d.serial}); err != nil {
		t.Fatal(err)
	}
	if status, text := w.operator("DELETE", "mfa-tokens?serialNumber=GAHT12345678", ""); status != 200 {
		t.Errorf("removing answers %d %s", status, text)
	}
	events, err := w.node.Events(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range events {
		text := string(e.Append(nil))
		if strings.Contains(text, seed) {
			t.Errorf("the seed is on record: %s", text)
		}
		if e.Source == "operator.ostiary" && string(e.RequestParameters) == `{"serialNumber":"GAHT12345678"}` {
			names = append(names, e.Name)
		}
	}
	if got := strings.Join(names, " "); got != "LoadMFAToken RemoveMFAToken" {
		t.Errorf("the operator's events are %q", got)
	}
}
