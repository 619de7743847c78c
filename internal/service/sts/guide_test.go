package sts_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// coded expects err to have a code of the API.
func coded(t testing.TB, err error, code string) {
	t.Helper()
	if api, ok := errors.AsType[smithy.APIError](err); !ok || api.ErrorCode() != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// TestWhyDenied: what the guide tells somebody to look at whose request is denied (S3-380), each alone.
func TestWhyDenied(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	role := w.role(a, "worker", trusts(a.id))
	closed := w.role(a, "closed", trusts(b.id))
	from := func(network string) string {
		return fmt.Sprintf(`{"Effect":"Allow","Action":"sts:AssumeRole","Resource":%q,"Condition":{"IpAddress":{"aws:SourceIp":%q}}}`, role, network)
	}
	for name, c := range map[string]struct {
		policy, role, code string
		spoil              func(*aws.Credentials)
	}{
		"nothing is wrong":            {policy: from("127.0.0.0/8"), role: role},
		"the action":                  {policy: allow("sts:GetCallerIdentity", "*"), role: role, code: "AccessDenied"},
		"the resource":                {policy: allow("sts:AssumeRole", a.arn("role/other")), role: role, code: "AccessDenied"},
		"the condition":               {policy: from("203.0.113.0/24"), role: role, code: "AccessDenied"},
		"the policy of the resource":  {policy: allow("sts:AssumeRole", "*"), role: closed, code: "AccessDenied"},
		"the signature":               {policy: allow("sts:AssumeRole", "*"), role: role, code: "SignatureDoesNotMatch", spoil: func(c *aws.Credentials) { c.SecretAccessKey += "x" }},
		"the key that was signed for": {policy: allow("sts:AssumeRole", "*"), role: role, code: "InvalidClientTokenId", spoil: func(c *aws.Credentials) { c.SessionToken = "x" }},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S3-380")
			who := w.user(a, strings.ReplaceAll(name, " ", "-"), c.policy)
			if c.spoil != nil {
				c.spoil(&who)
			}
			if _, err := w.assume(who, c.role, nil); c.code != "" {
				coded(t, err, c.code)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTemporaryCredentials: what the guide says of temporary credentials that are denied (S3-381).
func TestTemporaryCredentials(t *testing.T) {
	w := newWorld(t)
	a, b := w.account("a"), w.account("b")
	worker := w.role(a, "worker", trusts(a.id), allow("iam:ListGroups", "*"), allow("sts:AssumeRole", "*"))
	theirs := w.role(b, "theirs", trusts(worker))
	ann := w.user(a, "ann", allow("sts:AssumeRole", "*"), allow("iam:ListUsers", "*"))
	closed := w.role(b, "closed", trusts(a.arn("user/ann")))
	session := w.session(ann, worker, nil)
	t.Run("permissions are the role's", func(t *testing.T) {
		checklist.Shows(t, "S3-381")
		if got := w.may(session); got != "groups" {
			t.Errorf("may list %q", got)
		}
	})
	t.Run("a resource's policy has to name the role", func(t *testing.T) {
		checklist.Shows(t, "S3-381", "S3-393")
		w.session(session, theirs, nil)
		_, err := w.assume(session, closed, nil) // it names the user
		coded(t, err, "AccessDenied")
	})
	t.Run("the signature", func(t *testing.T) {
		checklist.Shows(t, "S3-381")
		wrong, bare := session, session
		wrong.SecretAccessKey, bare.SessionToken = ann.SecretAccessKey, ""
		for code, c := range map[string]aws.Credentials{"SignatureDoesNotMatch": wrong, "InvalidClientTokenId": bare} {
			_, err := w.iam(static(c)).ListGroups(t.Context(), &sdkiam.ListGroupsInput{})
			coded(t, err, code)
		}
	})
	t.Run("they have expired", func(t *testing.T) {
		checklist.Shows(t, "S3-381")
		w.offset.Add(int64(time.Hour + time.Minute))
		_, err := w.iam(static(session)).ListGroups(t.Context(), &sdkiam.ListGroupsInput{})
		coded(t, err, "ExpiredToken")
	})
}

// TestTrustConditions: a statement of trust whose condition is not true is not there (S3-394), with the guide's dates and addresses.
func TestTrustConditions(t *testing.T) {
	w := newWorld(t)
	a := w.account("a")
	ann := w.user(a, "ann", allow("sts:AssumeRole", "*"))
	at := func(d time.Duration) string { return w.now().Add(d).UTC().Format(time.RFC3339) }
	for name, c := range map[string]struct {
		condition string
		may       bool
	}{
		"in the window": {fmt.Sprintf(`{"DateGreaterThan":{"aws:CurrentTime":%q},"DateLessThan":{"aws:CurrentTime":%q}}`, at(-time.Hour), at(time.Hour)), true},
		"too early":     {fmt.Sprintf(`{"DateGreaterThan":{"aws:CurrentTime":%q}}`, at(time.Hour)), false},
		"too late":      {fmt.Sprintf(`{"DateLessThan":{"aws:CurrentTime":%q}}`, at(-time.Hour)), false},
		"from here":     {`{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}`, true},
		"from there":    {`{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, "S3-393", "S3-394")
			role := w.role(a, strings.ReplaceAll(name, " ", "-"), *document(trust(a.id, c.condition, "sts:AssumeRole")))
			_, err := w.assume(ann, role, nil)
			if c.may && err != nil {
				t.Error(err)
			} else if !c.may {
				denied(t, err, a.arn("user/ann"), "sts:AssumeRole", role, noTrust)
			}
		})
	}
}
