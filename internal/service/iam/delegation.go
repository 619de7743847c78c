package iam

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/policy"
)

// delegationRows are the permission rows of the operations on delegation requests. A request is named as one of the caller's account,
// whose it is or may become. Its owner needs no policy to look at it and to forward it ("Managing Permissions for Delegation
// Requests", IAM User Guide).
var delegationRows = map[string]gate.Row{
	"CreateDelegationRequest": {Decides: gate.ByPolicy, Checks: gate.Checks(
		func(c *gate.Call, in *shape.CreateDelegationRequestRequest) []authorizer.Check {
			check := authorizer.Check{Action: "iam:CreateDelegationRequest", Resource: entity.DelegationRequestARN(c.Account(), "*"), Keys: []authorizer.Key{
				{Name: "iam:DelegationDuration", Values: []string{strconv.Itoa(in.SessionDuration)}},
				{Name: "iam:NotificationChannel", Values: []string{in.NotificationChannel}},
			}}
			if in.Permissions.PolicyTemplateArn != nil {
				check.Keys = append(check.Keys, authorizer.Key{Name: "iam:TemplateArn", Values: []string{*in.Permissions.PolicyTemplateArn}})
			}
			return []authorizer.Check{check}
		})},
	"AssociateDelegationRequest": {Decides: gate.ByPolicy,
		Checks: on(delegationCheck, "iam:AssociateDelegationRequest",
			func(in *shape.AssociateDelegationRequestRequest) string { return in.DelegationRequestId })},
	"GetDelegationRequest": {Decides: gate.ByPolicy, ReadOnly: true,
		Checks: on(delegationCheck, "iam:GetDelegationRequest",
			func(in *shape.GetDelegationRequestRequest) string { return in.DelegationRequestId })},
	"UpdateDelegationRequest": {Decides: gate.ByPolicy,
		Checks: on(delegationCheck, "iam:UpdateDelegationRequest",
			func(in *shape.UpdateDelegationRequestRequest) string { return in.DelegationRequestId })},
	"AcceptDelegationRequest": {Decides: gate.ByPolicy,
		Checks: on(delegationCheck, "iam:AcceptDelegationRequest",
			func(in *shape.AcceptDelegationRequestRequest) string { return in.DelegationRequestId })},
	"RejectDelegationRequest": {Decides: gate.ByPolicy,
		Checks: on(delegationCheck, "iam:RejectDelegationRequest",
			func(in *shape.RejectDelegationRequestRequest) string { return in.DelegationRequestId })},
	"SendDelegationToken": {Decides: gate.ByPolicy,
		Checks: on(delegationCheck, "iam:SendDelegationToken",
			func(in *shape.SendDelegationTokenRequest) string { return in.DelegationRequestId })},
	"ListDelegationRequests": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(
		func(_ *gate.Call, in *shape.ListDelegationRequestsRequest) []authorizer.Check {
			check := authorizer.Check{Action: "iam:ListDelegationRequests", Resource: "*"}
			if in.OwnerId != nil {
				check.Keys = []authorizer.Key{{Name: "iam:DelegationRequestOwner", Values: []string{*in.OwnerId}}}
			}
			return []authorizer.Check{check}
		})},
	"GetHumanReadableSummary": {Decides: gate.ByPolicy, ReadOnly: true, Checks: func(c *gate.Call) ([]authorizer.Check, error) {
		id, err := summarized(gate.Input[*shape.GetHumanReadableSummaryRequest](c).EntityArn)
		if err != nil {
			return nil, err
		}
		return []authorizer.Check{delegationCheck(c, "iam:GetHumanReadableSummary", id)}, nil
	}},
}

// ownersActions are what an owner may do without a policy that says so.
var ownersActions = []string{"iam:GetDelegationRequest", "iam:GetHumanReadableSummary", "iam:UpdateDelegationRequest"}

// delegationCheck asks for one action on a delegation request.
func delegationCheck(c *gate.Call, action, id string) authorizer.Check {
	check := authorizer.Check{Action: action, Resource: entity.DelegationRequestARN(c.Account(), id)}
	r, ok := delegationRequest(c, id)
	if !ok || r.Owner == "" {
		return check
	}
	check.Keys = []authorizer.Key{{Name: "iam:DelegationRequestOwner", Values: []string{r.Owner}}}
	p := c.Caller.Principal
	if slices.Contains(ownersActions, action) && p.Type != policy.Root && r.IsOwner(p.ARN, p.UniqueID) {
		check.Policy = ownersPolicy(r.Owner, action)
	}
	return check
}

// ownersPolicy is the policy of a request, as of a resource, that lets its owner do one thing; nil where the ARN can be no principal.
func ownersPolicy(owner, action string) *policy.Policy {
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"AWS": owner}, "Action": action, "Resource": "*",
	}})
	if err != nil {
		return nil
	}
	doc, err := policy.Parse(text)
	if err != nil {
		return nil
	}
	compiled, err := policy.Compile(policy.Resource, "delegation-request", doc)
	if err != nil {
		return nil
	}
	return compiled
}

// delegationRequest finds a request that the caller's account may know of.
func delegationRequest(c *gate.Call, id string) (*entity.DelegationRequest, bool) {
	requestor, _, _ := strings.Cut(id, "-")
	account, ok := c.Snapshot.Account(requestor)
	if !ok {
		return nil, false
	}
	it, ok := snapshot.ItemByID[*entity.DelegationRequest](account, id)
	if !ok || !it.Record.KnownTo(c.Account()) {
		return nil, false
	}
	return it.Record, true
}

// delegate is the caller as the one who acts on a request.
func delegate(c *gate.Call) directory.Delegate {
	p := c.Caller.Principal
	return directory.Delegate{Account: p.Account, ARN: p.ARN, ID: p.UniqueID, Root: p.Type == policy.Root}
}

// CreateDelegationRequest asks an account for permissions, for a time. The caller's account needs a template, which the operator
// registers.
func (s *service) CreateDelegationRequest(ctx context.Context, c *gate.Call, in *shape.CreateDelegationRequestRequest) (*shape.CreateDelegationRequestResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	n := directory.NewDelegationRequest{
		Workflow: in.RequestorWorkflowId, Description: in.Description, Message: deref(in.RequestMessage, ""), RedirectURL: deref(in.RedirectUrl, ""),
		Channel: in.NotificationChannel, Template: deref(in.Permissions.PolicyTemplateArn, ""), Duration: time.Duration(in.SessionDuration) * time.Second,
		OwnerAccount: deref(in.OwnerAccountId, ""), OwnerSends: in.OnlySendByOwner != nil && *in.OnlySendByOwner, Spent: spentRequests(account, c.Now()),
	}
	for _, p := range in.Permissions.Parameters {
		n.Parameters = append(n.Parameters, entity.DelegationParameter{Name: deref(p.Name, ""), List: deref(p.Type, "") == "stringList", Values: p.Values})
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.CreateDelegationRequestResponse, error) {
		r, err := tx.CreateDelegationRequest(c.Account(), n)
		if err != nil {
			return nil, err
		}
		return &shape.CreateDelegationRequestResponse{DelegationRequestId: &r.ID}, nil // no console, no link to it
	})
}

// spentRequests are some of an account's requests that have long expired: they make room for new ones.
func spentRequests(account snapshot.Account, now time.Time) (ids []string) {
	for it := range snapshot.Items[*entity.DelegationRequest](account, "") {
		if now.Sub(it.Record.ExpiresAt) > 7*24*time.Hour {
			if ids = append(ids, it.Record.ID); len(ids) == 8 {
				break
			}
		}
	}
	return ids
}

// AssociateDelegationRequest makes the caller the owner of a request.
func (s *service) AssociateDelegationRequest(ctx context.Context, c *gate.Call, in *shape.AssociateDelegationRequestRequest) error {
	return s.moveDelegation(ctx, c, func(tx *directory.Tx) (*entity.DelegationRequest, error) {
		return tx.AssociateDelegationRequest(in.DelegationRequestId, delegate(c))
	})
}

// UpdateDelegationRequest forwards a request to whoever may accept it.
func (s *service) UpdateDelegationRequest(ctx context.Context, c *gate.Call, in *shape.UpdateDelegationRequestRequest) error {
	return s.moveDelegation(ctx, c, func(tx *directory.Tx) (*entity.DelegationRequest, error) {
		return tx.UpdateDelegationRequest(in.DelegationRequestId, delegate(c), in.Notes)
	})
}

// AcceptDelegationRequest approves a request.
func (s *service) AcceptDelegationRequest(ctx context.Context, c *gate.Call, in *shape.AcceptDelegationRequestRequest) error {
	if len(c.Caller.SessionPolicies) > 0 {
		// The delegated session would act as the principal without the limits of this one.
		return fault.New(fault.Denied, "Sessions with session policies cannot accept delegation requests.")
	}
	return s.moveDelegation(ctx, c, func(tx *directory.Tx) (*entity.DelegationRequest, error) {
		return tx.AcceptDelegationRequest(in.DelegationRequestId, delegate(c))
	})
}

// RejectDelegationRequest refuses a request.
func (s *service) RejectDelegationRequest(ctx context.Context, c *gate.Call, in *shape.RejectDelegationRequestRequest) error {
	return s.moveDelegation(ctx, c, func(tx *directory.Tx) (*entity.DelegationRequest, error) {
		return tx.RejectDelegationRequest(in.DelegationRequestId, delegate(c), in.Notes)
	})
}

// SendDelegationToken sends the exchange token of an accepted request to the requestor, over the request's channel.
func (s *service) SendDelegationToken(ctx context.Context, c *gate.Call, in *shape.SendDelegationTokenRequest) error {
	return s.moveDelegation(ctx, c, func(tx *directory.Tx) (*entity.DelegationRequest, error) {
		return tx.SendDelegationToken(in.DelegationRequestId, delegate(c))
	})
}

// Notice is what a requestor is told of a request.
type Notice struct {
	Channel   string // the ARN of the requestor's topic
	RequestID string
	State     string
	Token     secret.Text // the exchange token, once it is sent
}

// moveDelegation takes a request to another state and tells its requestor. What is committed stays where nobody could be told: the
// record has the token.
func (s *service) moveDelegation(ctx context.Context, c *gate.Call, verb func(*directory.Tx) (*entity.DelegationRequest, error)) error {
	var moved *entity.DelegationRequest
	err := gate.Do(ctx, s.dir, c, func(tx *directory.Tx) (err error) {
		moved, err = verb(tx)
		return err
	})
	if err == nil && s.notify != nil {
		n := Notice{Channel: moved.Channel, RequestID: moved.ID, State: string(moved.State)}
		if len(moved.Token) > 0 {
			n.Token = directory.DelegationToken(moved)
		}
		s.notify(n)
	}
	return err
}

// GetDelegationRequest shows a request, and on demand whether the caller has the permissions that it asks for.
func (s *service) GetDelegationRequest(_ context.Context, c *gate.Call, in *shape.GetDelegationRequestRequest) (*shape.GetDelegationRequestResponse, error) {
	r, ok := delegationRequest(c, in.DelegationRequestId)
	if !ok {
		return nil, directory.NoDelegationRequest(in.DelegationRequestId)
	}
	out := &shape.GetDelegationRequestResponse{DelegationRequest: new(shapeDelegation(r, c.Now()))}
	if in.DelegationPermissionCheck != nil && *in.DelegationPermissionCheck {
		result, err := s.covers(c, r.Policy)
		if err != nil {
			return nil, err
		}
		out.PermissionCheckStatus, out.PermissionCheckResult = new(shape.PermissionCheckStatusTypeComplete), &result
	}
	return out, nil
}

// maxCovered is how many questions a permission check asks; of a policy that has more the answer is unsure.
const maxCovered = 256

// covers says whether the caller has the permissions of a policy, approximately, as AWS says: actions and resources with wildcards are
// asked for as they stand, and what hangs on conditions is unsure.
func (s *service) covers(c *gate.Call, text string) (string, error) {
	doc, err := policy.Parse([]byte(text))
	if err != nil {
		return "", fmt.Errorf("iam: the policy of a delegation request: %w", err)
	}
	if c.Caller.Principal.Type == policy.Root {
		return shape.PermissionCheckResultTypeAllowed, nil
	}
	sure, asked := true, 0
	for i := range doc.Statements {
		st := &doc.Statements[i]
		if st.Effect != policy.Allow {
			continue
		}
		if st.Actions.Not || st.Resources.Not || len(st.Conditions) > 0 {
			sure = false
			continue
		}
		for _, action := range st.Actions.Values {
			for _, resource := range st.Resources.Values {
				if asked++; asked > maxCovered || strings.Contains(resource.Text, "${") {
					sure = false
					continue
				}
				check := authorizer.Check{Action: action.Text, Resource: resource.Text}
				x, ok := authorizer.Simulate(c.Snapshot, &authorizer.Simulation{Source: c.Caller, Principal: c.Caller.Principal}, &check)
				switch {
				case !ok || x.Disagreement != nil:
					sure = false
				case x.Decision.Effect == policy.Allow:
				case len(x.Missing) > 0 && !x.Decision.Explicit:
					sure = false
				default:
					return shape.PermissionCheckResultTypeDenied, nil
				}
			}
		}
	}
	if !sure {
		return shape.PermissionCheckResultTypeUnsure, nil
	}
	return shape.PermissionCheckResultTypeAllowed, nil
}

// ListDelegationRequests lists the requests that somebody in the caller's account owns, in the order of their IDs.
func (s *service) ListDelegationRequests(_ context.Context, c *gate.Call, in *shape.ListDelegationRequestsRequest) (*shape.ListDelegationRequestsResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := page.Place(in.Marker)
	if err != nil {
		return nil, err
	}
	requests, next := page.Take(ownedRequests(c, account, after), in.MaxItems,
		func(r *entity.DelegationRequest) bool { return in.OwnerId == nil || r.Owner == *in.OwnerId },
		func(r *entity.DelegationRequest) string { return entity.FoldName(r.ID) })
	out := &shape.ListDelegationRequestsResponse{IsTruncated: truncated(next), Marker: next, DelegationRequests: make([]shape.DelegationRequest, 0, len(requests))}
	for _, r := range requests {
		out.DelegationRequests = append(out.DelegationRequests, shapeDelegation(r, c.Now()))
	}
	return out, nil
}

// ownedRequests yields the requests that are assigned to an account, after a place.
func ownedRequests(c *gate.Call, account snapshot.Account, after string) iter.Seq[*entity.DelegationRequest] {
	return func(yield func(*entity.DelegationRequest) bool) {
		for a := range snapshot.Items[*entity.DelegationAssignment](account, after) {
			if r, ok := delegationRequest(c, a.Record.Request); ok && !yield(r) {
				return
			}
		}
	}
}

// shapeDelegation is a request as the API shows it. The token is never shown.
func shapeDelegation(r *entity.DelegationRequest, now time.Time) shape.DelegationRequest {
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	permissions := &shape.DelegationPermission{PolicyTemplateArn: &r.Template}
	for i := range r.Parameters {
		p := &r.Parameters[i]
		kind := "string"
		if p.List {
			kind = "stringList"
		}
		permissions.Parameters = append(permissions.Parameters, shape.PolicyParameter{Name: &p.Name, Type: &kind, Values: p.Values})
	}
	return shape.DelegationRequest{
		DelegationRequestId: &r.ID, State: new(string(r.StateAt(now))), CreateDate: &r.CreatedAt, UpdatedTime: &r.UpdatedAt, ExpirationTime: &r.ExpiresAt,
		RequestorId: &r.Account, RequestorName: text(r.Requestor), Description: text(r.Description), RequestMessage: text(r.Message), RedirectUrl: text(r.RedirectURL),
		Permissions: permissions, PermissionPolicy: &r.Policy, RolePermissionRestrictionArns: r.Boundaries, SessionDuration: new(int(r.Duration / time.Second)),
		OnlySendByOwner: &r.OwnerSends, OwnerAccountId: text(r.OwnerAccount), OwnerId: text(r.Owner), ApproverId: text(r.Approver), Notes: text(r.Notes),
		RejectionReason: text(r.Rejection),
	}
}

// summarized is the ID of the request that an ARN names: nothing else has a summary.
func summarized(text string) (string, error) {
	account, id, ok := strings.Cut(strings.TrimPrefix(text, "arn:"+entity.Partition+":iam::"), ":"+string(entity.KindDelegationRequest)+"/")
	if !ok || !accountID(account) || text != entity.DelegationRequestARN(account, id) || id == "" || strings.ContainsAny(id, "*?/$") {
		return "", fault.New(fault.InvalidInput, "The ARN %s is not that of a delegation request.", text)
	}
	return id, nil
}

// GetHumanReadableSummary says in plain words what a request asks for. AWS has a language model write it; here the words come from the
// policy itself, and in English alone.
func (s *service) GetHumanReadableSummary(_ context.Context, c *gate.Call, in *shape.GetHumanReadableSummaryRequest) (*shape.GetHumanReadableSummaryResponse, error) {
	id, err := summarized(in.EntityArn)
	if err != nil {
		return nil, err
	}
	r, ok := delegationRequest(c, id)
	if !ok {
		return nil, directory.NoDelegationRequest(id)
	}
	locale := deref(in.Locale, "en")
	if language, _, _ := strings.Cut(locale, "-"); !strings.EqualFold(language, "en") {
		return &shape.GetHumanReadableSummaryResponse{Locale: &locale, SummaryState: new(shape.SummaryStateTypeNotSupported)}, nil
	}
	content, err := summary(r)
	if err != nil {
		return nil, err
	}
	return &shape.GetHumanReadableSummaryResponse{Locale: &locale, SummaryState: new(shape.SummaryStateTypeAvailable), SummaryContent: &content}, nil
}

// maxSummary is the longest summary that the API's model allows, in characters.
const maxSummary = 10000

func summary(r *entity.DelegationRequest) (string, error) {
	doc, err := policy.Parse([]byte(r.Policy))
	if err != nil {
		return "", fmt.Errorf("iam: the policy of a delegation request: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Account %s asks for these permissions for %s:\n", r.Account, r.Duration)
	for i := range doc.Statements {
		st := &doc.Statements[i]
		verb, actions, resources := "Allow", "", ""
		if st.Effect != policy.Allow {
			verb = "Deny"
		}
		if st.Actions.Not {
			actions = "everything but "
		}
		if st.Resources.Not {
			resources = "everything but "
		}
		conditions := ""
		if len(st.Conditions) > 0 {
			conditions = ", under conditions"
		}
		fmt.Fprintf(&b, "- %s %s%s on %s%s%s\n", verb, actions, texts(st.Actions.Values), resources, texts(st.Resources.Values), conditions)
	}
	for _, arn := range r.Boundaries {
		fmt.Fprintf(&b, "Roles that it makes have the permissions boundary %s.\n", arn)
	}
	if text := []rune(b.String()); len(text) > maxSummary {
		return string(text[:maxSummary]), nil
	}
	return b.String(), nil
}

func texts(values []policy.Value) string {
	all := make([]string, len(values))
	for i := range values {
		all[i] = values[i].Text
	}
	return strings.Join(all, ", ")
}
