package iam_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
)

const (
	delegationTopic    = "arn:aws:sns:us-east-1:111122223333:partner"
	delegationTemplate = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:CreateBucket","@{further}"],"Resource":"arn:aws:s3:::@{bucket}"},` +
		`{"Effect":"Allow","Action":"iam:CreateRole","Resource":"*","Condition":{"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::aws:policy/ReadOnlyAccess"}}}]}`
)

// notices are what requestors were told.
type notices struct {
	mu  sync.Mutex
	all []iam.Notice
}

func (n *notices) add(one iam.Notice) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, one)
}

func (n *notices) list() []iam.Notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}

// furnishDelegation adds to a scene the template setup of the world's account, and of its requests fresh, which is nobody's, and
// assigned, pending, accepted and rejected, which the user target owns.
func furnishDelegation(w *world) {
	w.t.Helper()
	w.scene()
	w.make(func(tx *directory.Tx) error {
		_, err := tx.PutDelegationTemplate(w.account, "setup", delegationTemplate)
		return err
	})
	for _, workflow := range []string{"fresh", "assigned", "pending", "accepted", "rejected"} {
		w.furnishRequest(workflow, w.owner())
	}
}

// owner is the user target as one who acts on a request.
func (w *world) owner() directory.Delegate {
	account, _ := w.follower.Current().Account(w.account)
	u, _ := account.User("target")
	return directory.Delegate{Account: w.account, ARN: u.ARN(), ID: u.ID}
}

// furnishRequest makes a request that has come as far as its workflow's ID says.
func (w *world) furnishRequest(workflow string, who directory.Delegate) (id string) {
	w.t.Helper()
	w.make(func(tx *directory.Tx) error {
		r, err := tx.CreateDelegationRequest(w.account, directory.NewDelegationRequest{
			Workflow: "workflow-" + workflow, Channel: delegationTopic, Template: w.arn("delegation-template/setup"), Duration: 5 * time.Hour,
			Parameters: []entity.DelegationParameter{{Name: "bucket", Values: []string{"b"}}, {Name: "further", List: true, Values: []string{"s3:PutObject", "s3:GetObject"}}},
		})
		if err != nil {
			return err
		}
		id = r.ID
		if workflow != "fresh" {
			_, err = tx.AssociateDelegationRequest(id, who)
		}
		if err == nil && workflow == "pending" {
			_, err = tx.UpdateDelegationRequest(id, who, nil)
		}
		if err == nil && workflow == "accepted" {
			_, err = tx.AcceptDelegationRequest(id, who)
		}
		if err == nil && workflow == "rejected" {
			_, err = tx.RejectDelegationRequest(id, who, nil)
		}
		return err
	})
	return id
}

// request is the furnished request with that workflow.
func (w *world) request(workflow string) *string {
	if w.follower == nil {
		return aws.String("")
	}
	account, _ := w.follower.Current().Account(w.account)
	for it := range snapshot.Items[*entity.DelegationRequest](account, "") {
		if it.Record.Workflow == "workflow-"+workflow {
			return &it.Record.ID
		}
	}
	return aws.String("none-none-none-none")
}

// delegationInput asks for what the template allows.
func (w *world) delegationInput(workflow string) *sdk.CreateDelegationRequestInput {
	return &sdk.CreateDelegationRequestInput{
		Description: aws.String("sets up"), NotificationChannel: aws.String(delegationTopic), RequestorWorkflowId: aws.String("workflow-" + workflow),
		SessionDuration: aws.Int32(5 * 3600), Permissions: &types.DelegationPermission{
			PolicyTemplateArn: aws.String(w.arn("delegation-template/setup")),
			Parameters: []types.PolicyParameter{
				{Name: aws.String("bucket"), Type: types.PolicyParameterTypeEnumString, Values: []string{"mine"}},
				{Name: aws.String("further"), Type: types.PolicyParameterTypeEnumStringList, Values: []string{"s3:PutObject"}},
			},
		},
	}
}

// delegationCalls are the operations on one request.
func delegationCalls(ctx context.Context, c *sdk.Client) calls {
	return calls{
		"AssociateDelegationRequest": func(id string) error {
			_, err := c.AssociateDelegationRequest(ctx, &sdk.AssociateDelegationRequestInput{DelegationRequestId: &id})
			return err
		},
		"GetDelegationRequest": func(id string) error {
			_, err := c.GetDelegationRequest(ctx, &sdk.GetDelegationRequestInput{DelegationRequestId: &id})
			return err
		},
		"UpdateDelegationRequest": func(id string) error {
			_, err := c.UpdateDelegationRequest(ctx, &sdk.UpdateDelegationRequestInput{DelegationRequestId: &id, Notes: aws.String("please")})
			return err
		},
		"AcceptDelegationRequest": func(id string) error {
			_, err := c.AcceptDelegationRequest(ctx, &sdk.AcceptDelegationRequestInput{DelegationRequestId: &id})
			return err
		},
		"RejectDelegationRequest": func(id string) error {
			_, err := c.RejectDelegationRequest(ctx, &sdk.RejectDelegationRequestInput{DelegationRequestId: &id, Notes: aws.String("no")})
			return err
		},
		"SendDelegationToken": func(id string) error {
			_, err := c.SendDelegationToken(ctx, &sdk.SendDelegationTokenInput{DelegationRequestId: &id})
			return err
		},
	}
}

func delegationPermissions(w *world) []permission {
	on := func(operation, workflow string) permission {
		id := *w.request(workflow)
		return permission{operation, "delegation-request/" + id, "", func(ctx context.Context, c *sdk.Client) error { return delegationCalls(ctx, c)[operation](id) }}
	}
	accept := on("AcceptDelegationRequest", "pending")
	long := accept.do
	accept.do = func(ctx context.Context, c *sdk.Client) error {
		if c == w.root { // the root user may not accept what lasts so long
			return nil
		}
		return long(ctx, c)
	}
	return []permission{
		{"CreateDelegationRequest", "delegation-request/*", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateDelegationRequest(ctx, w.delegationInput("another"))
			return err
		}},
		on("AssociateDelegationRequest", "fresh"), on("GetDelegationRequest", "assigned"), on("UpdateDelegationRequest", "assigned"), accept,
		on("RejectDelegationRequest", "accepted"), on("SendDelegationToken", "accepted"),
		{"ListDelegationRequests", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListDelegationRequests(ctx, &sdk.ListDelegationRequestsInput{})
			return err
		}},
		{"GetHumanReadableSummary", "delegation-request/" + *w.request("assigned"), "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetHumanReadableSummary(ctx, &sdk.GetHumanReadableSummaryInput{EntityArn: aws.String(w.arn("delegation-request/" + *w.request("assigned")))})
			return err
		}},
	}
}

func delegationErrors(w *world) (all []apiError) {
	ctx, c := w.t.Context(), w.root
	const nothing = "111122223333-00000000-0000-4000-8000-000000000000"
	wrong := map[string][2]string{
		"AssociateDelegationRequest": {"assigned", "ASSIGNED and cannot be associated"}, "UpdateDelegationRequest": {"accepted", "ACCEPTED and cannot be updated"},
		"RejectDelegationRequest": {"rejected", "REJECTED and cannot be rejected"}, "SendDelegationToken": {"pending", "PENDING_APPROVAL and cannot be finalized"},
	}
	for operation, do := range delegationCalls(ctx, c) {
		all = append(all, apiError{operation: operation, code: "NoSuchEntity", message: "The delegation request " + nothing + " cannot be found.", do: func() error { return do(nothing) }})
		if state, ok := wrong[operation]; ok {
			all = append(all, apiError{operation: operation, code: "InvalidInput", message: "The delegation request is in the state " + state[1] + ".",
				do: func() error { return do(*w.request(state[0])) }})
		}
	}
	create := func(change func(*sdk.CreateDelegationRequestInput)) func() error {
		return func() error {
			in := w.delegationInput("another")
			change(in)
			_, err := c.CreateDelegationRequest(ctx, in)
			return err
		}
	}
	invalid := func(message string, change func(*sdk.CreateDelegationRequestInput)) {
		all = append(all, apiError{operation: "CreateDelegationRequest", code: "InvalidInput", message: message, do: create(change)})
	}
	template := w.arn("delegation-template/none")
	invalid("The policy template "+template+" is not registered for account "+w.account+".", func(in *sdk.CreateDelegationRequestInput) { in.Permissions.PolicyTemplateArn = &template })
	invalid("The notification channel topic is not the ARN of an SNS topic.", func(in *sdk.CreateDelegationRequestInput) { in.NotificationChannel = aws.String("topic") })
	invalid("The owner account 999999999999 is not valid.", func(in *sdk.CreateDelegationRequestInput) { in.OwnerAccountId = aws.String("999999999999") })
	invalid("The parameter further of the policy template is missing.", func(in *sdk.CreateDelegationRequestInput) { in.Permissions.Parameters = in.Permissions.Parameters[:1] })
	summary := func(arn string) func() error {
		return func() error {
			_, err := c.GetHumanReadableSummary(ctx, &sdk.GetHumanReadableSummaryInput{EntityArn: &arn})
			return err
		}
	}
	return append(all,
		apiError{operation: "CreateDelegationRequest", code: "EntityAlreadyExists", message: "A delegation request with the workflow ID workflow-fresh already exists.",
			do: create(func(in *sdk.CreateDelegationRequestInput) { in.RequestorWorkflowId = aws.String("workflow-fresh") })},
		apiError{operation: "CreateDelegationRequest", code: "LimitExceeded", message: "Cannot exceed quota for DelegationRequestsPerAccount: 5",
			quota: directory.DelegationRequestsQuota, n: 5, do: create(func(*sdk.CreateDelegationRequestInput) {})},
		apiError{operation: "GetHumanReadableSummary", code: "InvalidInput", message: "The ARN " + w.arn("user/target") + " is not that of a delegation request.", do: summary(w.arn("user/target"))},
		apiError{operation: "GetHumanReadableSummary", code: "NoSuchEntity", message: "The delegation request " + nothing + " cannot be found.", do: summary(w.arn("delegation-request/" + nothing))},
	)
}

var delegationCannot = map[string]map[string]string{
	"NoSuchEntity": {"ListDelegationRequests": "an owner who is not there owns nothing"},
	"InvalidInput": {"ListDelegationRequests": byConstraint},
}

// TestDelegation goes the way of a request from one account to another: asked, owned, forwarded, accepted, sent.
func TestDelegation(t *testing.T) {
	w := newWorld(t)
	furnishDelegation(w)
	ctx := t.Context()
	var second *entity.Account
	var key *directory.IssuedKey
	w.make(func(tx *directory.Tx) (err error) {
		second, key, err = tx.CreateAccount(directory.NewAccount{Name: "customer"})
		return err
	})
	theirs := w.client(key.ID, key.Secret.Reveal(), "")
	in := w.delegationInput("way")
	in.OwnerAccountId, in.OnlySendByOwner, in.SessionDuration = &second.ID, true, aws.Int32(4*3600)
	id := must(w.root.CreateDelegationRequest(ctx, in))(t).DelegationRequestId
	shown := func() *types.DelegationRequest {
		t.Helper()
		return must(theirs.GetDelegationRequest(ctx, &sdk.GetDelegationRequestInput{DelegationRequestId: id}))(t).DelegationRequest
	}
	state := func(want types.StateType) {
		t.Helper()
		r := shown()
		if r.State != want || time.Until(*r.ExpirationTime) > 7*24*time.Hour {
			t.Errorf("the request is %s, expires %s; want %s", r.State, r.ExpirationTime, want)
		}
	}
	state(types.StateTypeUnassigned)
	const filled = `{"Statement":[{"Action":["s3:CreateBucket","s3:PutObject"],"Effect":"Allow","Resource":"arn:aws:s3:::mine"},` +
		`{"Action":"iam:CreateRole","Condition":{"StringEquals":{"iam:PermissionsBoundary":"arn:aws:iam::aws:policy/ReadOnlyAccess"}},"Effect":"Allow","Resource":"*"}],"Version":"2012-10-17"}`
	if r := shown(); *r.PermissionPolicy != filled || len(r.RolePermissionRestrictionArns) != 1 || *r.RequestorId != w.account || *r.OwnerAccountId != second.ID || r.OwnerId != nil {
		t.Errorf("the request is %+v with the policy %s", r, *r.PermissionPolicy)
	}
	// To the account that asked it is no longer there: it is for another.
	_, err := w.root.GetDelegationRequest(ctx, &sdk.GetDelegationRequestInput{DelegationRequestId: id})
	refused(t, err, 404, "NoSuchEntity", "The delegation request "+*id+" cannot be found.")
	if err := delegationCalls(ctx, w.root)["AssociateDelegationRequest"](*id); err == nil {
		t.Error("the requestor made itself the owner of a request for another account")
	}
	for _, step := range []struct {
		operation string
		want      types.StateType
	}{
		{"AssociateDelegationRequest", types.StateTypeAssigned}, {"UpdateDelegationRequest", types.StateTypePendingApproval},
		{"AcceptDelegationRequest", types.StateTypeAccepted}, {"SendDelegationToken", types.StateTypeFinalized},
	} {
		if err := delegationCalls(ctx, theirs)[step.operation](*id); err != nil {
			t.Fatalf("%s: %v", step.operation, err)
		}
		state(step.want)
	}
	root := "arn:aws:iam::" + second.ID + ":root"
	if r := shown(); *r.OwnerId != root || *r.ApproverId != root || *r.Notes != "please" {
		t.Errorf("the request is %+v", r)
	}
	refused(t, delegationCalls(ctx, theirs)["RejectDelegationRequest"](*id), 400, "InvalidInput", "The delegation request is in the state FINALIZED and cannot be rejected.")
	list := must(theirs.ListDelegationRequests(ctx, &sdk.ListDelegationRequestsInput{OwnerId: &root}))(t).DelegationRequests
	if len(list) != 1 || *list[0].DelegationRequestId != *id {
		t.Errorf("the list of the owner's account: %+v", list)
	}
	w.sentToken(*id, second.ID)
}

// sentToken holds what the requestor is told to what is stored: the token is sealed, for that request and the session's time.
func (w *world) sentToken(id, owner string) {
	t := w.t
	t.Helper()
	told := w.notices.list()
	if len(told) < 2 {
		t.Fatal("the requestor was told nothing")
	}
	last := told[len(told)-1]
	if last.Channel != delegationTopic || last.RequestID != id || last.State != "FINALIZED" || told[len(told)-2].Token.Reveal() != "" {
		t.Errorf("the requestor was told %+v", told)
	}
	sent, body, _ := strings.Cut(last.Token.Reveal(), ".")
	if sent != id {
		t.Errorf("the token is of %s", sent)
	}
	sealed, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.ring.Open(seal.DelegationToken, sealed, []byte(id))
	if err != nil {
		t.Fatal(err)
	}
	var claims directory.DelegationClaims
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Request != id || claims.Requestor != w.account || claims.Owner != owner || claims.Approver != owner || claims.Expires.Sub(w.now()).Round(time.Hour) != 4*time.Hour {
		t.Errorf("the token says %+v", claims)
	}
	if _, err := w.ring.Open(seal.DelegationToken, sealed, []byte("another")); err == nil {
		t.Error("the token opens for another request")
	}
	for _, e := range w.events() {
		if bytes.Contains(e, []byte(last.Token.Reveal())) {
			t.Errorf("an event has the token: %s", e)
		}
	}
}

// TestDelegationOfNobody: a request that is for no account is whose it is who has its ID, and then for their account alone.
func TestDelegationOfNobody(t *testing.T) {
	w := newWorld(t)
	furnishDelegation(w)
	ctx, id := t.Context(), *w.request("fresh")
	var key *directory.IssuedKey
	w.make(func(tx *directory.Tx) (err error) {
		_, key, err = tx.CreateAccount(directory.NewAccount{Name: "stranger"})
		return err
	})
	stranger := delegationCalls(ctx, w.client(key.ID, key.Secret.Reveal(), ""))
	if err := stranger["GetDelegationRequest"](id); err != nil {
		t.Error(err)
	}
	if err := delegationCalls(ctx, w.root)["AssociateDelegationRequest"](id); err != nil {
		t.Fatal(err)
	}
	for operation, do := range stranger {
		if err := do(id); err == nil || !strings.Contains(err.Error(), "NoSuchEntity") {
			t.Errorf("%s of another account's request: %v", operation, err)
		}
	}
}

// TestOwnersDefaultPermission: who owns a request may look at it and forward it without a policy, and nothing else; somebody who comes
// after under the same name may not, and a deny binds the owner.
func TestOwnersDefaultPermission(t *testing.T) {
	w := newWorld(t)
	furnishDelegation(w)
	ctx := t.Context()
	owner := w.user("owner")
	account, _ := w.follower.Current().Account(w.account)
	u, _ := account.User("owner")
	id := w.furnishRequest("assigned2", directory.Delegate{Account: w.account, ARN: u.ARN(), ID: u.ID})
	may := func(c *sdk.Client) (allowed []string) {
		for _, operation := range []string{"GetDelegationRequest", "UpdateDelegationRequest", "AssociateDelegationRequest", "AcceptDelegationRequest", "RejectDelegationRequest", "SendDelegationToken"} {
			if err := delegationCalls(ctx, c)[operation](id); err == nil {
				allowed = append(allowed, operation)
			} else if !strings.Contains(err.Error(), "AccessDenied") {
				t.Errorf("%s: %v", operation, err)
			}
		}
		return allowed
	}
	equalNames(t, "the owner", may(owner), []string{"GetDelegationRequest", "UpdateDelegationRequest"})
	equalNames(t, "somebody else", may(w.user("other")), nil)
	w.grant("owner", deny("iam:GetDelegationRequest", "*"))
	equalNames(t, "the owner with a deny", may(owner), []string{"UpdateDelegationRequest"})
	w.make(func(tx *directory.Tx) error {
		target := directory.OfUser(w.account, "owner")
		if err := tx.DeleteInlinePolicy(target, "test"); err != nil {
			return err
		}
		if err := tx.DeleteAccessKey(target, u.Keys[0]); err != nil {
			return err
		}
		return tx.DeleteUser(w.account, "owner")
	})
	equalNames(t, "a new user of the same name", may(w.user("owner")), nil)
	byOwner := w.user("byowner", allow("iam:*", "*").when("ArnEquals", "iam:DelegationRequestOwner", u.ARN()))
	if err := delegationCalls(ctx, byOwner)["GetDelegationRequest"](id); err != nil {
		t.Errorf("iam:DelegationRequestOwner: %v", err)
	}
	if err := delegationCalls(ctx, byOwner)["GetDelegationRequest"](*w.request("assigned")); err == nil {
		t.Error("iam:DelegationRequestOwner does not tell owners apart")
	}
}

// TestDelegationConditions: what a request asks for is in the context of making it.
func TestDelegationConditions(t *testing.T) {
	w := newWorld(t)
	furnishDelegation(w)
	for i, s := range []statement{
		allow("iam:CreateDelegationRequest", "*").when("NumericEquals", "iam:DelegationDuration", "18000"),
		allow("iam:CreateDelegationRequest", "*").when("StringEquals", "iam:NotificationChannel", delegationTopic),
		allow("iam:CreateDelegationRequest", "*").when("ArnEquals", "iam:TemplateArn", w.arn("delegation-template/setup")),
	} {
		name := numbered("maker", i+1)[i]
		caller := w.user(name, s)
		must(caller.CreateDelegationRequest(t.Context(), w.delegationInput(name)))(t)
		in := w.delegationInput(name + "2")
		in.SessionDuration, in.NotificationChannel, in.Permissions.PolicyTemplateArn = aws.Int32(3600), aws.String("other"), aws.String(w.arn("delegation-template/other"))
		_, err := caller.CreateDelegationRequest(t.Context(), in)
		w.denied(err, name, "iam:CreateDelegationRequest", w.arn("delegation-request/*"))
	}
}

// TestDelegationExpires: a request that waits too long can no longer be moved, and makes room after another week.
func TestDelegationExpires(t *testing.T) {
	w := newWorld(t)
	furnishDelegation(w)
	ctx := t.Context()
	fresh, assigned := *w.request("fresh"), *w.request("assigned")
	state := func(id string) types.StateType {
		t.Helper()
		return must(w.root.GetDelegationRequest(ctx, &sdk.GetDelegationRequestInput{DelegationRequestId: &id}))(t).DelegationRequest.State
	}
	w.later(24*time.Hour - time.Minute)
	if a, b := state(fresh), state(assigned); a != types.StateTypeUnassigned || b != types.StateTypeAssigned {
		t.Errorf("within the day: %s, %s", a, b)
	}
	w.later(2 * time.Minute)
	if a, b := state(fresh), state(assigned); a != types.StateTypeExpired || b != types.StateTypeAssigned {
		t.Errorf("after the day: %s, %s", a, b)
	}
	refused(t, delegationCalls(ctx, w.root)["AssociateDelegationRequest"](fresh), 400, "InvalidInput", "The delegation request is in the state EXPIRED and cannot be associated.")
	w.later(6 * 24 * time.Hour)
	if a := state(assigned); a != types.StateTypeExpired {
		t.Errorf("after the week: %s", a)
	}
	refused(t, delegationCalls(ctx, w.root)["RejectDelegationRequest"](assigned), 400, "InvalidInput", "The delegation request is in the state EXPIRED and cannot be rejected.")
	w.make(func(tx *directory.Tx) error {
		_, err := tx.SetQuota(w.account, directory.DelegationRequestsQuota, new(1))
		return err
	})
	_, err := w.root.CreateDelegationRequest(ctx, w.delegationInput("more"))
	refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for DelegationRequestsPerAccount: 1")
	w.later(8 * 24 * time.Hour)
	must(w.root.CreateDelegationRequest(ctx, w.delegationInput("more")))(t)
	refused(t, delegationCalls(ctx, w.root)["GetDelegationRequest"](assigned), 404, "NoSuchEntity", "The delegation request "+assigned+" cannot be found.")
}

// TestWhoAcceptsAndSends: the root user accepts short requests alone, and a request may say that its owner sends the token.
func TestWhoAcceptsAndSends(t *testing.T) {
	w := newWorld(t)
	furnishDelegation(w)
	ctx := t.Context()
	refused(t, delegationCalls(ctx, w.root)["AcceptDelegationRequest"](*w.request("pending")), 403, "AccessDenied", "The root user can accept delegation requests for at most 4 hours.")
	refused(t, delegationCalls(ctx, w.root)["AcceptDelegationRequest"](*w.request("rejected")), 400, "InvalidInput", "The delegation request is in the state REJECTED and cannot be accepted.")
	in := w.delegationInput("own")
	in.OnlySendByOwner, in.SessionDuration = true, aws.Int32(3600)
	id := *must(w.root.CreateDelegationRequest(ctx, in))(t).DelegationRequestId
	admin := w.user("admin", allow("iam:*", "*"))
	for _, step := range []func() error{
		func() error { return delegationCalls(ctx, admin)["AssociateDelegationRequest"](id) },
		func() error { return delegationCalls(ctx, w.root)["AcceptDelegationRequest"](id) },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, delegationCalls(ctx, w.root)["SendDelegationToken"](id), 403, "AccessDenied", "Only the owner of the delegation request can send its token.")
	if err := delegationCalls(ctx, admin)["SendDelegationToken"](id); err != nil {
		t.Error(err)
	}
}

// TestPermissionCheckAndSummary: whether the caller has what is asked for, and what it is in words.
func TestPermissionCheckAndSummary(t *testing.T) {
	w := newWorld(t)
	furnishDelegation(w)
	ctx := t.Context()
	plain := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::b/*"}]}`
	w.make(func(tx *directory.Tx) error {
		_, err := tx.PutDelegationTemplate(w.account, "plain", plain)
		return err
	})
	in := w.delegationInput("plain")
	in.Permissions = &types.DelegationPermission{PolicyTemplateArn: aws.String(w.arn("delegation-template/plain"))}
	simple := *must(w.root.CreateDelegationRequest(ctx, in))(t).DelegationRequestId
	get := statement{"Allow", "iam:GetDelegationRequest", "*", nil}
	for _, c := range []struct {
		name string
		id   string
		may  []statement
		want types.PermissionCheckResultType
	}{
		{"all", simple, []statement{allow("s3:*", "*")}, types.PermissionCheckResultTypeAllowed},
		{"one", simple, []statement{allow("s3:GetObject", "*")}, types.PermissionCheckResultTypeDenied},
		{"elsewhere", simple, []statement{allow("s3:*", "arn:aws:s3:::c/*")}, types.PermissionCheckResultTypeDenied},
		{"conditional", simple, []statement{allow("s3:*", "*").when("StringEquals", "s3:prefix", "p")}, types.PermissionCheckResultTypeUnsure},
		{"denied", simple, []statement{allow("*", "*"), deny("s3:PutObject", "*")}, types.PermissionCheckResultTypeDenied},
		{"asked with conditions", *w.request("fresh"), []statement{allow("*", "*")}, types.PermissionCheckResultTypeUnsure},
	} {
		caller := w.user(strings.ReplaceAll(c.name, " ", "-"), append(c.may, get)...)
		out := must(caller.GetDelegationRequest(ctx, &sdk.GetDelegationRequestInput{DelegationRequestId: &c.id, DelegationPermissionCheck: true}))(t)
		if out.PermissionCheckResult != c.want || out.PermissionCheckStatus != types.PermissionCheckStatusTypeComplete {
			t.Errorf("%s: %s, %s", c.name, out.PermissionCheckResult, out.PermissionCheckStatus)
		}
	}
	summary := func(locale *string) *sdk.GetHumanReadableSummaryOutput {
		t.Helper()
		return must(w.root.GetHumanReadableSummary(ctx, &sdk.GetHumanReadableSummaryInput{EntityArn: aws.String(w.arn("delegation-request/" + simple)), Locale: locale}))(t)
	}
	want := "Account " + w.account + " asks for these permissions for 5h0m0s:\n- Allow s3:GetObject, s3:PutObject on arn:aws:s3:::b/*\n"
	for _, locale := range []*string{nil, aws.String("en-US")} {
		if out := summary(locale); out.SummaryState != types.SummaryStateTypeAvailable || *out.SummaryContent != want {
			t.Errorf("%s: %s", out.SummaryState, *out.SummaryContent)
		}
	}
	if out := summary(aws.String("de-DE")); out.SummaryState != types.SummaryStateTypeNotSupported || out.SummaryContent != nil {
		t.Errorf("in German: %+v", out)
	}
}
