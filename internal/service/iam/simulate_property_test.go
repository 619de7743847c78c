package iam_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
	"pgregory.net/rapid"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/service/iam"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/policy"
)

// rounds is how often a property with rapid's hundred cases is checked.
func rounds() int {
	if testenv.Long() {
		return 15
	}
	return 2
}

// stage is an account with a principal whose policies are random, for one case.
type stage struct {
	t        *rapid.T
	w        *world
	account  string
	root     *sdk.Client
	client   *sdk.Client // of the user
	agent    *agentClient
	policies []string // the documents that are the principal's identity policies
	boundary string   // document; empty: none
	caller   *authorizer.Caller
	source   string
	may      bool // all users of the account may change their passwords
}

// agentClient notes the user agent of the last request.
type agentClient struct {
	aws.HTTPClient
	last atomic.Pointer[string]
}

func (a *agentClient) Do(r *http.Request) (*http.Response, error) {
	a.last.Store(aws.String(r.UserAgent()))
	return a.HTTPClient.Do(r)
}

// The parts of which policies and requests are made. Names are few, so that they meet.
var (
	simActions   = []string{"s3:GetObject", "s3:PutObject", "sqs:SendMessage", "iam:GetUser", "iam:ChangePassword", "iam:GetAccountPasswordPolicy", "sts:AssumeRole", "kms:Decrypt"}
	simPatterns  = append([]string{"*", "s3:*", "s3:Get*", "S3:getobject", "iam:?etUser", "iam:*", "*:*"}, simActions...)
	simOperators = map[string][]string{ // by the family of values
		"text": {"StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase", "ForAnyValue:StringEquals", "ForAllValues:StringLike",
			"ForAnyValue:StringNotLike", "StringEqualsIfExists", "StringNotEqualsIfExists", "ForAllValues:StringEqualsIfExists"},
		"null":    {"Null"},
		"bool":    {"Bool", "BoolIfExists", "ForAnyValue:Bool"},
		"number":  {"NumericEquals", "NumericLessThan", "NumericGreaterThanEqualsIfExists", "NumericNotEquals"},
		"date":    {"DateLessThan", "DateGreaterThan", "DateNotEquals", "DateEqualsIfExists"},
		"address": {"IpAddress", "NotIpAddress", "ForAllValues:IpAddress"},
		"arn":     {"ArnLike", "ArnNotEquals", "ArnEqualsIfExists"},
	}
	simKeys = []string{"aws:username", "AWS:UserId", "aws:PrincipalTag/team", "aws:PrincipalTag/stage", "aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalType",
		"aws:SourceIp", "aws:CurrentTime", "aws:EpochTime", "aws:SecureTransport", "aws:RequestedRegion", "aws:UserAgent", "aws:Referer", "aws:TagKeys", "aws:RequestTag/color",
		"aws:ResourceTag/color", "iam:ResourceTag/color", "aws:ResourceAccount", "aws:MultiFactorAuthPresent", "aws:MultiFactorAuthAge", "aws:TokenIssueTime",
		"aws:SourceIdentity", "aws:FederatedProvider", "aws:ViaAWSService", "aws:PrincipalIsAWSService", "shop:key", "shop:keys"}
)

func draw[T any](t *rapid.T, name string, from ...T) T { return rapid.SampledFrom(from).Draw(t, name) }

// some draws one to three different values.
func some(t *rapid.T, name string, from []string) []string {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 1, 3, rapid.ID[string]).Draw(t, name)
}

// resources are what requests name in an account.
func simResources(account string) []string {
	return []string{"*", "arn:aws:s3:::home/Bob/x", "arn:aws:s3:::home/red/x", "arn:aws:sqs:us-east-1:" + account + ":q", "arn:aws:sqs:us-east-1:999999999999:q",
		"arn:aws:iam::" + account + ":user/Bob", "arn:aws:iam::" + account + ":user/blue", "arn:aws:kms:us-east-1:" + account + ":key/k", "arn:aws:iam::" + account + ":role/worker"}
}

// document draws a policy that is legal for identities and boundaries, in one of the versions.
func (st *stage) document(versions ...string) string {
	t := st.t
	var statements []map[string]any
	for range rapid.IntRange(1, 3).Draw(t, "statements") {
		s := map[string]any{"Effect": draw(t, "effect", "Allow", "Allow", "Allow", "Deny")}
		s[draw(t, "actions", "Action", "Action", "Action", "NotAction")] = some(t, "action", simPatterns)
		patterns := append(simResources(st.account), "arn:aws:s3:::home/${aws:username}/*", "arn:aws:s3:::home/${aws:PrincipalTag/team, 'red'}/*", "arn:aws:*",
			"arn:aws:sqs:*:*:?", "arn:aws:s3:::home/${aws:userid}*", "arn:aws:iam::"+st.account+":user/*")
		s[draw(t, "resources", "Resource", "Resource", "Resource", "NotResource")] = some(t, "resource", patterns)
		if n := rapid.IntRange(0, 2).Draw(t, "conditions"); n > 0 {
			s["Condition"] = st.condition(n)
		}
		statements = append(statements, s)
	}
	text, err := json.Marshal(map[string]any{"Version": draw(t, "version", versions...), "Statement": statements})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (st *stage) condition(n int) map[string]any {
	t, out := st.t, map[string]any{}
	for range n {
		family := draw(t, "family", "text", "text", "null", "bool", "number", "date", "address", "arn")
		operator := draw(t, "operator", simOperators[family]...)
		values := map[string][]string{
			"text": {"Bob", "b*", "red", "blue", "color", "a", "${aws:username}", "${aws:PrincipalTag/team}", "User", st.account, "us-east-1", "*"},
			"null": {"true", "false"}, "bool": {"true", "false"}, "number": {"0", "10", "1.5", "300"},
			"date":    {"2000-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "2020-02-02"},
			"address": {"127.0.0.0/8", "203.0.113.7", "2001:db8::/32"},
			"arn":     {"arn:aws:iam::" + st.account + ":user/*", "arn:aws:iam::*:role/worker", "arn:aws:iam::" + st.account + ":*/${aws:username}"},
		}[family]
		tests, ok := out[operator].(map[string]any)
		if !ok {
			tests = map[string]any{}
			out[operator] = tests
		}
		key := draw(t, "key", simKeys...)
		for k := range tests {
			if strings.EqualFold(k, key) {
				key = k
			}
		}
		tests[key] = some(t, "value", values)
		if family == "null" {
			tests[key] = values[rapid.IntRange(0, 1).Draw(t, "absent")]
		}
	}
	return out
}

// commit makes what the case needs.
func (st *stage) commit(fn func(*directory.Tx) error) {
	id := fmt.Sprint("case-", st.w.changes.Add(1))
	_, rev, err := directory.Commit(st.w.t.Context(), st.w.dir, change{id}, func(tx *directory.Tx) (struct{}, error) { return struct{}{}, fn(tx) })
	if err == nil {
		_, err = st.w.follower.Wait(st.w.t.Context(), rev)
	}
	if err != nil {
		st.t.Fatalf("setting the stage: %v", err)
	}
}

// set draws a principal, a user or a role, with its policies.
func set(t *rapid.T, w *world) *stage {
	st := &stage{t: t, w: w}
	var key, own *directory.IssuedKey
	tags := []entity.Tag{{Key: "team", Value: draw(t, "team", "red", "Bob", "blue")}}
	var user *entity.User
	var role *entity.Role
	st.commit(func(tx *directory.Tx) error {
		account, k, err := tx.CreateAccount(directory.NewAccount{})
		if err == nil {
			st.account, key = account.ID, k
		}
		return err
	})
	st.commit(func(tx *directory.Tx) (err error) {
		big := 100000
		for _, quota := range []string{directory.UserPolicySizeQuota, directory.GroupPolicySizeQuota, directory.RolePolicySizeQuota} {
			if err == nil {
				_, err = tx.SetQuota(st.account, quota, &big)
			}
		}
		if err == nil {
			user, err = tx.CreateUser(st.account, directory.NewUser{Name: "Bob", Tags: tags})
		}
		if err == nil {
			_, err = tx.CreateUser(st.account, directory.NewUser{Name: "blue", Tags: []entity.Tag{{Key: "color", Value: "blue"}}})
		}
		if err == nil {
			role, err = tx.CreateRole(st.account, directory.NewRole{Name: "worker", Trust: trust(st.account), Tags: tags})
		}
		if err == nil {
			own, err = tx.CreateAccessKey(directory.OfUser(st.account, "Bob"))
		}
		return err
	})
	if st.may = rapid.IntRange(0, 3).Draw(t, "password policy") == 0; st.may {
		st.commit(func(tx *directory.Tx) error {
			return tx.SetPasswordPolicy(st.account, entity.PasswordPolicy{MinimumLength: 8, UsersMayChange: true})
		})
	}
	isUser := rapid.Bool().Draw(t, "user")
	target := directory.OfRole(st.account, "worker")
	if isUser {
		target = directory.OfUser(st.account, "Bob")
	}
	st.furnish(target, isUser)
	st.agent = &agentClient{HTTPClient: w.http}
	with := func(k *directory.IssuedKey) *sdk.Client {
		o := w.client(k.ID, k.Secret.Reveal(), "").Options()
		o.HTTPClient = st.agent
		return sdk.New(o)
	}
	st.root, st.client = with(key), with(own)
	st.source = role.ARN()
	st.caller = &authorizer.Caller{EntityID: role.ID, Temporary: true, SessionName: "s", Issued: time.Now().Add(-time.Minute), Expires: time.Now().Add(time.Hour),
		MFAKnown: rapid.Bool().Draw(t, "mfa known"), SourceIdentity: draw(t, "source identity", "", "Bob"), Provider: draw(t, "provider", "", "idp"),
		Principal: policy.Principal{Type: policy.AssumedRole, ARN: "arn:aws:sts::" + st.account + ":assumed-role/worker/s", Account: st.account,
			UniqueID: role.ID + ":s", RoleARN: role.ARN()}}
	if st.caller.MFAKnown && rapid.Bool().Draw(t, "mfa") {
		st.caller.MFAAt = time.Now().Add(-42 * time.Second)
	}
	if rapid.Bool().Draw(t, "session tags") {
		st.caller.SessionTags = []entity.Tag{{Key: "Team", Value: "blue"}, {Key: "stage", Value: "Bob"}}
	}
	if isUser {
		st.source = user.ARN()
		st.caller = &authorizer.Caller{EntityID: user.ID, Principal: policy.Principal{Type: policy.User, ARN: user.ARN(), Account: st.account, UniqueID: user.ID}}
	}
	return st
}

// furnish gives the principal inline, managed and group policies, and perhaps a boundary.
func (st *stage) furnish(target directory.Target, isUser bool) {
	t := st.t
	const today = "2012-10-17"
	own := func(versions ...string) string {
		d := st.document(append(versions, today)...)
		st.policies = append(st.policies, d)
		return d
	}
	inline := rapid.IntRange(0, 2).Draw(t, "inline")
	for i := range inline {
		d := own("2008-10-17", today)
		st.commit(func(tx *directory.Tx) error { return tx.PutInlinePolicy(target, fmt.Sprint("p", i), d) })
	}
	if rapid.Bool().Draw(t, "managed") {
		d := own()
		st.commit(func(tx *directory.Tx) error {
			p, err := tx.CreatePolicy(st.account, directory.NewPolicy{Name: "managed", Path: "/x/", Document: d})
			if err == nil {
				err = tx.AttachPolicy(target, p.ARN())
			}
			return err
		})
	}
	if isUser && rapid.Bool().Draw(t, "group") {
		d := own()
		st.commit(func(tx *directory.Tx) error {
			_, err := tx.CreateGroup(st.account, directory.NewGroup{Name: "crew"})
			if err == nil {
				err = tx.AddToGroup(st.account, "Bob", "crew")
			}
			if err == nil {
				err = tx.PutInlinePolicy(directory.OfGroup(st.account, "crew"), "g", d)
			}
			return err
		})
	}
	if rapid.IntRange(0, 2).Draw(t, "boundary") == 0 {
		st.boundary = st.document(today)
		st.commit(func(tx *directory.Tx) error {
			p, err := tx.CreatePolicy(st.account, directory.NewPolicy{Name: "fence", Document: st.boundary})
			if err == nil {
				err = tx.PutBoundary(target, p.ARN())
			}
			return err
		})
	}
}

// request is what a live request carries beside its caller.
type request struct {
	env  authorizer.Environment
	tags []entity.Tag // aws:RequestTag/…
	keys []authorizer.Key
}

func (st *stage) request() request {
	t := st.t
	r := request{env: authorizer.Environment{Now: time.Now(), Region: draw(t, "region", "us-east-1", "eu-west-1"), Secure: rapid.Bool().Draw(t, "secure"),
		UserAgent: draw(t, "agent", "", "Bob", "red/1"), Referer: draw(t, "referer", "", "blue")}}
	if text := draw(t, "address", "", "127.0.0.1", "203.0.113.7", "2001:db8::7"); text != "" {
		r.env.SourceIP = netip.MustParseAddr(text)
	}
	if rapid.Bool().Draw(t, "tagged") {
		r.tags = []entity.Tag{{Key: "color", Value: draw(t, "color", "red", "blue")}, {Key: "a", Value: "b"}}
	}
	if rapid.Bool().Draw(t, "key") {
		r.keys = append(r.keys, authorizer.Key{Name: "shop:key", Values: []string{draw(t, "shop:key", "a", "10", "true", "Bob")}})
	}
	if rapid.Bool().Draw(t, "keys") {
		r.keys = append(r.keys, authorizer.Key{Name: "shop:keys", Values: some(t, "shop:keys", []string{"a", "Bob", "red"})})
	}
	return r
}

// entries is the live context of a request about a resource whose tags are given, as context entries: all that a simulation cannot
// know, and nothing of the caller that it does. A key that is forgotten here shows as a difference.
func (st *stage) entries(r *request, resource []entity.Tag, ownKey bool) (out []types.ContextEntry) {
	add := func(name, kind string, values ...string) {
		out = append(out, entry(name, types.ContextKeyTypeEnum(kind), values...))
	}
	add("aws:CurrentTime", "date", r.env.Now.UTC().Format("2006-01-02T15:04:05Z"))
	add("aws:EpochTime", "numeric", strconv.FormatInt(r.env.Now.Unix(), 10))
	add("aws:SecureTransport", "boolean", strconv.FormatBool(r.env.Secure))
	add("aws:ViaAWSService", "boolean", "false")
	add("aws:PrincipalIsAWSService", "boolean", "false")
	add("aws:RequestedRegion", "string", r.env.Region)
	if r.env.SourceIP.IsValid() {
		add("aws:SourceIp", "ip", r.env.SourceIP.String())
	}
	if r.env.UserAgent != "" {
		add("aws:UserAgent", "string", r.env.UserAgent)
	}
	if r.env.Referer != "" {
		add("aws:Referer", "string", r.env.Referer)
	}
	var names []string
	for _, t := range r.tags {
		add("aws:RequestTag/"+t.Key, "string", t.Value)
		names = append(names, t.Key)
	}
	if names != nil {
		add("aws:TagKeys", "stringList", names...)
	}
	for _, k := range r.keys {
		add(k.Name, "stringList", k.Values...)
	}
	for _, t := range resource {
		add("aws:ResourceTag/"+t.Key, "string", t.Value)
		if ownKey {
			add("iam:ResourceTag/"+t.Key, "string", t.Value)
		}
	}
	c := st.caller
	for _, t := range c.SessionTags {
		add("aws:PrincipalTag/"+t.Key, "string", t.Value)
	}
	if !c.Temporary {
		return out
	}
	add("aws:userid", "string", c.Principal.UniqueID)
	add("aws:TokenIssueTime", "date", c.Issued.UTC().Format("2006-01-02T15:04:05Z"))
	if c.MFAKnown {
		add("aws:MultiFactorAuthPresent", "boolean", strconv.FormatBool(!c.MFAAt.IsZero()))
	}
	if !c.MFAAt.IsZero() {
		add("aws:MultiFactorAuthAge", "numeric", strconv.Itoa(int(r.env.Now.Sub(c.MFAAt)/time.Second)))
	}
	if c.SourceIdentity != "" {
		add("aws:SourceIdentity", "string", c.SourceIdentity)
	}
	if c.Provider != "" {
		add("aws:FederatedProvider", "string", c.Provider)
	}
	return out
}

// live decides the request as the gate does.
func live(auth *authorizer.Authorizer, s *snapshot.Snapshot, st *stage, r *request, action, resource string) string {
	check := authorizer.Check{Action: action, Resource: resource, Keys: r.keys, RequestTags: r.tags}
	if strings.Contains(resource, ":999999999999:") {
		check.ResourceAccount = "999999999999" // as a row says of what belongs to another account
	}
	d := auth.Decide(s, st.caller, &r.env, &check)
	switch {
	case d.Allowed():
		return "allowed"
	case d.Explicit:
		return "explicitDeny"
	}
	return "implicitDeny"
}

// TestSimulationIsLive: a simulation never differs from the live decision. Random policies, boundaries, groups, principals and
// requests; the live request is decided by the authorizer as the gate asks it, the simulation is asked through the API with the live
// context handed in. SimulateCustomPolicy is given the same policies as text and must agree too.
func TestSimulationIsLive(t *testing.T) {
	w := newWorld(t)
	auth := authorizer.New(map[string]authorizer.Resources{"iam": iam.New(iam.Config{}).Resource})
	told := map[string]int{}
	checklist.Shows(t, "S3-124", "S3-133")
	for range rounds() {
		rapid.Check(t, func(rt *rapid.T) {
			st := set(rt, w)
			s := w.follower.Current()
			r := st.request()
			for _, resource := range some(rt, "about", simResources(st.account)) {
				facts, ok := iam.New(iam.Config{}).Resource.Facts(s, resource)
				if !ok {
					facts.Tags = nil
				}
				entries := st.entries(&r, facts.Tags, facts.OwnTagKey)
				out, err := st.root.SimulatePrincipalPolicy(t.Context(), &sdk.SimulatePrincipalPolicyInput{
					PolicySourceArn: &st.source, ActionNames: simActions, ResourceArns: []string{resource}, ContextEntries: entries})
				if err != nil {
					rt.Fatal(err)
				}
				custom, err := st.root.SimulateCustomPolicy(t.Context(), st.asCustom(resource, entries))
				if err != nil {
					rt.Fatal(err)
				}
				for i, action := range simActions {
					want := live(auth, s, st, &r, action, resource)
					told[want]++
					if got := string(out.EvaluationResults[i].EvalDecision); got != want {
						rt.Fatalf("%s on %s is decided %s and simulated %s\npolicies %q\nboundary %q", action, resource, want, got, st.policies, st.boundary)
					}
					// What the account grants its users is in no policy that could be given as text.
					if got := string(custom.EvaluationResults[i].EvalDecision); got != want && !st.may {
						rt.Fatalf("%s on %s is decided %s and by SimulateCustomPolicy %s\npolicies %q\nboundary %q", action, resource, want, got, st.policies, st.boundary)
					}
					if n := len(out.EvaluationResults[i].MatchedStatements); (n == 0) != (want == "implicitDeny") {
						rt.Fatalf("%s with %d statements", want, n)
					}
				}
			}
		})
	}
	for _, want := range []string{"allowed", "explicitDeny", "implicitDeny"} {
		if told[want] < 30 {
			t.Errorf("only %d cases were %s: this proves little", told[want], want)
		}
	}
	t.Logf("%v", told)
}

// asCustom asks the same with the policies as text. Of the caller all has to be handed in that its ARN does not say.
func (st *stage) asCustom(resource string, entries []types.ContextEntry) *sdk.SimulateCustomPolicyInput {
	in := &sdk.SimulateCustomPolicyInput{ActionNames: simActions, ResourceArns: []string{resource}, CallerArn: &st.source, PolicyInputList: append([]string{}, st.policies...)}
	if len(in.PolicyInputList) == 0 {
		in.PolicyInputList = []string{allowNothing}
	}
	if st.boundary != "" {
		in.PermissionsBoundaryPolicyInputList = []string{st.boundary}
	}
	in.ContextEntries = slices.Clone(entries)
	add := func(name, value string) {
		for _, e := range in.ContextEntries {
			if strings.EqualFold(*e.ContextKeyName, name) {
				return
			}
		}
		in.ContextEntries = append(in.ContextEntries, entry(name, "string", value))
	}
	add("aws:userid", st.caller.Principal.UniqueID)
	s := st.w.follower.Current()
	account, _ := s.Account(st.account)
	tags := []entity.Tag(nil)
	if u, ok := account.UserByID(st.caller.EntityID); ok {
		tags = u.Tags
	} else if r, ok := account.RoleByID(st.caller.EntityID); ok {
		tags = r.Tags
	}
	for _, t := range tags {
		add("aws:PrincipalTag/"+t.Key, t.Value)
	}
	return in
}

// TestSimulationIsTheAnswer: what the API answers to a user's real request is what its simulation says.
func TestSimulationIsTheAnswer(t *testing.T) {
	w := newWorld(t)
	checklist.Shows(t, "S3-133")
	told := map[bool]int{}
	for range rounds() {
		rapid.Check(t, func(rt *rapid.T) {
			st := set(rt, w)
			if st.caller.Temporary {
				rt.Skip("a role")
			}
			for _, name := range []string{"Bob", "blue"} {
				_, err := st.client.GetUser(t.Context(), &sdk.GetUserInput{UserName: &name})
				api, refused := errors.AsType[smithy.APIError](err)
				if err != nil && (!refused || api.ErrorCode() != "AccessDenied") {
					rt.Fatal(err)
				}
				r := request{env: authorizer.Environment{Now: time.Now(), Region: "us-east-1", UserAgent: *st.agent.last.Load(), SourceIP: netip.MustParseAddr("127.0.0.1")}}
				resource := "arn:aws:iam::" + st.account + ":user/" + name
				facts, _ := iam.New(iam.Config{}).Resource.Facts(w.follower.Current(), resource)
				out, simErr := st.root.SimulatePrincipalPolicy(t.Context(), &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: &st.source,
					ActionNames: []string{"iam:GetUser"}, ResourceArns: []string{resource}, ContextEntries: st.entries(&r, facts.Tags, facts.OwnTagKey)})
				if simErr != nil {
					rt.Fatal(simErr)
				}
				got := out.EvaluationResults[0].EvalDecision
				told[err == nil]++
				if (got == types.PolicyEvaluationDecisionTypeAllowed) != (err == nil) {
					rt.Fatalf("GetUser of %s answers %v and is simulated %s\npolicies %q\nboundary %q", name, err, got, st.policies, st.boundary)
				}
				if got == types.PolicyEvaluationDecisionTypeExplicitDeny && !strings.Contains(api.ErrorMessage(), "explicit deny") {
					rt.Fatalf("GetUser of %s answers %v and is simulated %s", name, err, got)
				}
			}
		})
	}
	if told[true] < 3 || told[false] < 3 {
		t.Errorf("allowed and denied: %v", told)
	}
}
