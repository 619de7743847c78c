package acceptance_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// TestThrottling: an account whose rate is used up gets AWS's error, which the SDK knows for what it is: it waits and sends the request
// again. The wait is the test's: in it the operator gives the account another rate.
func TestThrottling(t *testing.T) {
	c, srv := newCloud(t)
	a := c.account(t, srv.OperatorToken)
	rate := func(quota, method, body string) {
		t.Helper()
		if status, answer := c.operator(t, method, "accounts/"+a.AccountID+"/quotas/"+quota, srv.OperatorToken, body); status != http.StatusOK {
			t.Fatalf("%s: %d %s", quota, status, answer)
		}
	}
	var waits []string // the codes of errors that the SDK waited after
	raised := ""       // the quota that is raised while it waits; empty: none
	retryer := retry.NewStandard(func(o *retry.StandardOptions) {
		o.RateLimiter = alwaysTokens{}
		o.Backoff = retry.BackoffDelayerFunc(func(_ int, err error) (time.Duration, error) {
			waits = append(waits, code(err))
			if raised != "" {
				rate(raised, "PUT", `{"Value": 1000000}`)
			}
			return 0, nil
		})
	})
	keys := credentials.NewStaticCredentialsProvider(a.AccessKeyID, a.SecretAccessKey, "")
	users := iam.New(iam.Options{Region: "us-east-1", BaseEndpoint: &c.url, Credentials: keys, HTTPClient: c.sdk, Retryer: retryer})
	tokens := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: &c.url, Credentials: keys, HTTPClient: c.sdk, Retryer: retryer})
	accounts := organizations.New(organizations.Options{Region: "us-east-1", BaseEndpoint: &c.url, Credentials: keys, HTTPClient: c.sdk, Retryer: retryer})
	const reads, writes = "ReadsPerSecondQuota", "WritesPerSecondQuota"
	for _, call := range []struct {
		what, quota, code string
		do                func(context.Context) error
	}{
		{"a read of IAM", reads, "Throttling", func(ctx context.Context) error {
			_, err := users.ListUsers(ctx, &iam.ListUsersInput{})
			return err
		}},
		{"a write of IAM", writes, "Throttling", func(ctx context.Context) error {
			_, err := users.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("once")})
			return err
		}},
		{"STS", reads, "Throttling", func(ctx context.Context) error {
			_, err := tokens.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
			return err
		}},
		{"a service that speaks JSON", reads, "ThrottlingException", func(ctx context.Context) error {
			_, err := accounts.ListAccounts(ctx, &organizations.ListAccountsInput{})
			if e, ok := errors.AsType[smithy.APIError](err); ok && !strings.HasPrefix(e.ErrorCode(), "Throttling") {
				return nil // it is not built yet, and says so to whoever gets through
			}
			return err
		}},
	} {
		t.Run(call.what, func(t *testing.T) {
			rate(call.quota, "PUT", `{"Value": 0}`)
			waits, raised = nil, ""
			refused(t, call.do(t.Context()), call.code, "Rate exceeded")
			if len(waits) != 2 {
				t.Errorf("the SDK waited after %q and gave up", waits)
			}
			waits, raised = nil, call.quota
			if err := call.do(t.Context()); err != nil {
				t.Errorf("once the rate is raised: %v", err)
			}
			if len(waits) == 0 || waits[0] != call.code {
				t.Errorf("the SDK waited after %q", waits)
			}
			rate(call.quota, "DELETE", "")
		})
	}
	if n := len(must(users.ListUsers(t.Context(), &iam.ListUsersInput{}))(t).Users); n != 1 {
		t.Errorf("there are %d users", n)
	}
}

// alwaysTokens lets the SDK retry as often as its attempts allow.
type alwaysTokens struct{}

func (alwaysTokens) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}
func (alwaysTokens) AddTokens(uint) error { return nil }
