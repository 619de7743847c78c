package sts_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	sdk "github.com/aws/aws-sdk-go-v2/service/sts"
)

// delegating is what approvers may do beside what they delegate.
const delegating = `{"Effect":"Allow","Action":["iam:AssociateDelegationRequest","iam:AcceptDelegationRequest","iam:SendDelegationToken"],"Resource":"*"}`

// asks makes a request of one account to another for the statements, for four hours.
func (w *world) asks(partner, customer account, workflow string, statements ...string) (id string) {
	w.t.Helper()
	body, err := json.Marshal(map[string]string{"Policy": *document(statements...)})
	if err != nil {
		w.t.Fatal(err)
	}
	if status, out := w.ask("PUT", "accounts/"+partner.id+"/delegation-templates/"+workflow, string(body)); status != 200 {
		w.t.Fatal(out)
	}
	out, err := w.iam(static(partner.root)).CreateDelegationRequest(w.t.Context(), &sdkiam.CreateDelegationRequestInput{
		Description: aws.String("sets up"), NotificationChannel: aws.String("arn:aws:sns:us-east-1:" + partner.id + ":partner"), RequestorWorkflowId: aws.String("workflow-" + workflow),
		SessionDuration: aws.Int32(4 * 3600), OwnerAccountId: &customer.id,
		Permissions: &iamtypes.DelegationPermission{PolicyTemplateArn: aws.String("arn:aws:iam::" + partner.id + ":delegation-template/" + workflow)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.DelegationRequestId
}

// approves takes a request all the way as one approver, and returns the exchange token as the requestor gets it from the operator.
func (w *world) approves(approver aws.Credentials, partner account, id string) (token string) {
	w.t.Helper()
	c, ctx := w.iam(static(approver)), w.t.Context()
	if _, err := c.AssociateDelegationRequest(ctx, &sdkiam.AssociateDelegationRequestInput{DelegationRequestId: &id}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := c.AcceptDelegationRequest(ctx, &sdkiam.AcceptDelegationRequestInput{DelegationRequestId: &id}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := c.SendDelegationToken(ctx, &sdkiam.SendDelegationTokenInput{DelegationRequestId: &id}); err != nil {
		w.t.Fatal(err)
	}
	return w.told(partner, id)["ExchangeToken"].(string)
}

// told is what the operator API shows of a request.
func (w *world) told(partner account, id string) map[string]any {
	w.t.Helper()
	_, out := w.ask("GET", "accounts/"+partner.id+"/delegation-requests", "")
	for _, r := range out["Requests"].([]any) {
		if r := r.(map[string]any); r["RequestId"] == id {
			return r
		}
	}
	w.t.Fatalf("%s is not in %v", id, out)
	return nil
}

func (w *world) trade(c aws.Credentials, token string) (*sdk.GetDelegatedAccessTokenOutput, error) {
	return w.sts(c).GetDelegatedAccessToken(w.t.Context(), &sdk.GetDelegatedAccessTokenInput{TradeInToken: &token})
}

// traded is a session that has to be given.
func (w *world) traded(c aws.Credentials, token string) aws.Credentials {
	w.t.Helper()
	out, err := w.trade(c, token)
	if err != nil {
		w.t.Fatal(err)
	}
	return credentials(out.Credentials)
}

// TestDelegatedAccess: the session acts as whoever approved, within what was asked for, until the time since the release is over,
// however often the token is exchanged.
func TestDelegatedAccess(t *testing.T) {
	w := newWorld(t)
	partner, customer := w.account("partner"), w.account("customer")
	worker := w.user(partner, "worker", allow("sts:GetDelegatedAccessToken", "*"))
	users, both := allow("iam:ListUsers", "*"), []string{allow("iam:ListUsers", "*"), allow("iam:ListGroups", "*")}
	ann := w.user(customer, "ann", users, delegating)
	role := w.role(customer, "admin", trusts(customer.id), append(both, delegating)...)
	bob := w.user(customer, "bob", allow("sts:AssumeRole", "*"))
	for name, test := range map[string]struct {
		approver func() aws.Credentials
		arn      string
		want     string
	}{
		"user": {func() aws.Credentials { return ann }, customer.arn("user/ann"), "users"}, // the user may not list groups, whatever was asked for
		"role": {func() aws.Credentials { return w.session(bob, role, nil) }, "arn:aws:sts::" + customer.id + ":assumed-role/admin/session", "users groups"},
		"root": {func() aws.Credentials { return customer.root }, customer.arn("root"), "users groups"},
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			id := w.asks(partner, customer, name, both...)
			if r := w.told(partner, id); r["State"] != "UNASSIGNED" || r["ExchangeToken"] != nil {
				t.Errorf("told %v", r)
			}
			released := w.now()
			token := w.approves(test.approver(), partner, id)
			if r := w.told(partner, id); r["State"] != "FINALIZED" || r["RequestorWorkflowId"] != "workflow-"+name || r["OwnerAccountId"] != customer.id || r["ExpiresAt"] == nil {
				t.Errorf("told %v", r)
			}
			first, err := w.trade(worker, token)
			if err != nil {
				t.Fatal(err)
			}
			if *first.AssumedPrincipal != test.arn || *first.PackedPolicySize < 1 || first.Credentials.Expiration.Sub(released.Add(4*time.Hour)).Abs() > time.Minute {
				t.Errorf("%s, %d %%, until %s", *first.AssumedPrincipal, *first.PackedPolicySize, first.Credentials.Expiration)
			}
			w.advance(time.Hour)
			second, err := w.trade(worker, token)
			if err != nil || !second.Credentials.Expiration.Equal(*first.Credentials.Expiration) || *second.Credentials.AccessKeyId == *first.Credentials.AccessKeyId {
				t.Errorf("again: %+v, %v", second, err)
			}
			for _, c := range []aws.Credentials{credentials(first.Credentials), credentials(second.Credentials)} {
				if got := w.may(c); got != test.want {
					t.Errorf("the session may list %s", got)
				}
				who, err := w.sts(c).GetCallerIdentity(t.Context(), nil)
				if err != nil || *who.Arn != test.arn {
					t.Errorf("who: %+v, %v", who, err)
				}
				if _, err := w.iam(static(c)).CreateUser(t.Context(), &sdkiam.CreateUserInput{UserName: aws.String("x")}); code(err) != "AccessDenied" {
					t.Errorf("beyond the delegation: %v", err)
				}
			}
			_, page := w.ask("GET", "events?limit=1000&account="+customer.id, "")
			marked := 0
			for _, e := range page["Events"].([]any) {
				raw, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(raw), token) {
					t.Errorf("an event has the token: %s", raw)
				}
				identity := e.(map[string]any)["userIdentity"].(map[string]any)
				if by, ok := identity["invokedByDelegate"].(map[string]any); ok && identity["arn"] == test.arn && by["accountId"] == partner.id {
					marked++
				}
			}
			if marked < 6 {
				t.Errorf("%d events say who acted", marked)
			}
			w.advance(3*time.Hour + time.Minute)
			_, err = w.trade(worker, token)
			refused(t, err, 400, "ExpiredTradeInTokenException", "The trade-in token has expired. Request a new token and retry the operation.")
			if _, err := w.iam(static(credentials(second.Credentials))).ListUsers(t.Context(), nil); code(err) != "ExpiredToken" {
				t.Errorf("after the end: %v", err)
			}
			if r := w.told(partner, id); r["ExchangeToken"] != nil {
				t.Errorf("told %v", r)
			}
		})
	}
	w.t = t
}

// TestTradeInRefused: for others than the requestor, and for tokens that are none, there is one answer.
func TestTradeInRefused(t *testing.T) {
	w := newWorld(t)
	partner, customer, stranger := w.account("partner"), w.account("customer"), w.account("stranger")
	trader := allow("sts:GetDelegatedAccessToken", "*")
	worker, nobody := w.user(partner, "worker", trader), w.user(partner, "nobody")
	ann := w.user(customer, "ann", allow("iam:*", "*"), trader)
	token := w.approves(ann, partner, w.asks(partner, customer, "w", allow("iam:ListUsers", "*")))
	w.traded(worker, token)
	w.traded(partner.root, token)

	_, err := w.trade(nobody, token)
	denied(t, err, partner.arn("user/nobody"), "sts:GetDelegatedAccessToken", "*", "because no identity-based policy allows the sts:GetDelegatedAccessToken action")
	invalid := func(c aws.Credentials, token string) {
		t.Helper()
		_, err := w.trade(c, token)
		refused(t, err, 400, "InvalidParameterValue", "The trade-in token is not valid.")
	}
	for _, c := range []aws.Credentials{ann, customer.root, stranger.root, w.user(stranger, "s", trader)} {
		invalid(c, token)
	}
	id, body, _ := strings.Cut(token, ".")
	other := w.approves(ann, partner, w.asks(partner, customer, "other", allow("iam:ListUsers", "*")))
	otherID, _, _ := strings.Cut(other, ".")
	for _, bad := range []string{"x", ".", id, id + ".", "." + body, otherID + "." + body, id + "." + body + "A", id + "." + body + "\n", id + "." + body[:len(body)-4], id + ".AAAA" + body[4:], token + "=", strings.Repeat("a", 5000)} {
		invalid(worker, bad)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40 { // any one character changed
		i := rng.IntN(len(token))
		changed := []byte(token)
		if changed[i]++; string(changed) != token {
			invalid(worker, string(changed))
		}
	}

	// Credentials of sessions cannot, and who approved must be there still.
	session, err := w.sts(worker).GetSessionToken(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.trade(credentials(session.Credentials), token)
	refused(t, err, 403, "AccessDenied", "Cannot call GetDelegatedAccessToken with session credentials")
	c := w.iam(static(customer.root))
	keys, err := c.ListAccessKeys(t.Context(), &sdkiam.ListAccessKeysInput{UserName: aws.String("ann")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteAccessKey(t.Context(), &sdkiam.DeleteAccessKeyInput{UserName: aws.String("ann"), AccessKeyId: keys.AccessKeyMetadata[0].AccessKeyId}); err != nil {
		t.Fatal(err)
	}
	alive := w.traded(worker, token) // the user is there, though without keys
	if _, err := c.DeleteUserPolicy(t.Context(), &sdkiam.DeleteUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("test")}); err != nil {
		t.Fatal(err)
	}
	if got := w.may(alive); got != "" {
		t.Errorf("may list %s when the approver may nothing any more", got)
	}
	if _, err := c.DeleteUser(t.Context(), &sdkiam.DeleteUserInput{UserName: aws.String("ann")}); err != nil {
		t.Fatal(err)
	}
	invalid(worker, token)
	w.user(customer, "ann", allow("*", "*")) // somebody else
	invalid(worker, token)
	if _, err := w.iam(static(alive)).ListUsers(t.Context(), nil); code(err) != "InvalidClientTokenId" {
		t.Errorf("a session of a user who is gone: %v", err)
	}
}

// TestDelegationHasLimits: nothing leads from a delegated session past its policy or its end.
func TestDelegationHasLimits(t *testing.T) {
	w := newWorld(t)
	partner, customer := w.account("partner"), w.account("customer")
	w.enable(customer)
	worker := w.user(partner, "worker", allow("*", "*"))
	ann := w.user(customer, "ann", allow("*", "*"))
	role := w.role(customer, "open", trusts(customer.arn("user/ann")), allow("*", "*"))
	id := w.asks(partner, customer, "all", allow("sts:*", "*"), allow("iam:ListUsers", "*"))
	token := w.approves(ann, partner, id)
	session := w.traded(worker, token)
	c := w.sts(session)
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"AssumeRole":      func() error { _, err := w.assume(session, role, nil); return err },
		"GetSessionToken": func() error { _, err := c.GetSessionToken(ctx, nil); return err },
		"GetFederationToken": func() error {
			_, err := c.GetFederationToken(ctx, &sdk.GetFederationTokenInput{Name: aws.String("fed")})
			return err
		},
		"GetWebIdentityToken":     func() error { _, err := w.identityToken(session, nil); return err },
		"GetDelegatedAccessToken": func() error { _, err := w.trade(session, token); return err },
	} {
		refused(t, call(), 403, "AccessDenied", "Cannot call "+name+" with session credentials")
	}
	if _, err := c.GetAccessKeyInfo(ctx, &sdk.GetAccessKeyInfoInput{AccessKeyId: aws.String(ann.AccessKeyID)}); err != nil {
		t.Error(err)
	}
	// The owner of a request may look at it without a policy; who acts for the owner may not.
	if _, err := w.iam(static(ann)).GetDelegationRequest(ctx, &sdkiam.GetDelegationRequestInput{DelegationRequestId: &id}); err != nil {
		t.Error(err)
	}
	if _, err := w.iam(static(session)).GetDelegationRequest(ctx, &sdkiam.GetDelegationRequestInput{DelegationRequestId: &id}); code(err) != "AccessDenied" {
		t.Errorf("past the session policy by a resource's policy: %v", err)
	}
	// A session with limits of its own delegates nothing: the limits would be lost.
	limited := w.session(ann, role, func(in *sdk.AssumeRoleInput) { in.Policy = document(delegating) })
	second := w.asks(partner, customer, "limited", allow("iam:ListUsers", "*"))
	li := w.iam(static(limited))
	if _, err := li.AssociateDelegationRequest(ctx, &sdkiam.AssociateDelegationRequestInput{DelegationRequestId: &second}); err != nil {
		t.Fatal(err)
	}
	_, err := li.AcceptDelegationRequest(ctx, &sdkiam.AcceptDelegationRequestInput{DelegationRequestId: &second})
	refused(t, err, 403, "AccessDenied", "Sessions with session policies cannot accept delegation requests.")
	// Revoked by time, as any session.
	if got := w.may(session); got != "users" {
		t.Errorf("may list %s", got)
	}
	w.advance(time.Minute)
	revoke := fmt.Sprintf(`{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":%q}}}`, w.now().UTC().Format(time.RFC3339))
	if _, err := w.iam(static(customer.root)).PutUserPolicy(ctx, &sdkiam.PutUserPolicyInput{UserName: aws.String("ann"), PolicyName: aws.String("revoke"), PolicyDocument: document(revoke)}); err != nil {
		t.Fatal(err)
	}
	if got := w.may(session); got != "" {
		t.Errorf("a revoked session may list %s", got)
	}
	// A policy that no session token can hold.
	var statements []string
	rng := rand.New(rand.NewPCG(3, 4))
	for range 72 {
		statements = append(statements, allow("s3:GetObject", fmt.Sprintf("arn:aws:s3:::%016x%016x%016x%016x/*", rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64())))
	}
	large := w.approves(customer.root, partner, w.asks(partner, customer, "large", statements...))
	if _, err = w.trade(worker, large); code(err) != "PackedPolicyTooLarge" {
		t.Errorf("a large policy: %v", err)
	}
	// Regions count for the account that is acted in.
	w.activate(customer, "eu-west-1", false)
	_, err = w.in(t, "eu-west-1", worker).GetDelegatedAccessToken(ctx, &sdk.GetDelegatedAccessTokenInput{TradeInToken: &token})
	disabled(t, err, customer)
}
