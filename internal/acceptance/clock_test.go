package acceptance_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// patient is a caller that notices at once that the server has another time, and signs again: the SDK would pause.
func patient(c *caller) *caller {
	again := retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		o.RateLimiter = ratelimit.None
	})
	n := *c
	n.iam = iam.New(c.iam.Options(), func(o *iam.Options) { o.Retryer = again })
	n.sts = sts.New(c.sts.Options(), func(o *sts.Options) { o.Retryer = again })
	return &n
}

// TestClockJumps moves a server's clock forward and back by hours. Nothing that is measured is measured with it: the snapshot stays fresh.
// What is a date follows the clock, and where a clock that was wrong would have let somebody in for longer, nobody is let in.
func TestClockJumps(t *testing.T) {
	var ahead atomic.Int64
	jump := func(by time.Duration) { ahead.Store(int64(by)) }
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	srv := ostiarytest.Start(t, ostiarytest.Config{Now: now})
	c := reach(t, srv.URL)
	a := srv.Account(t)
	root, ctx := patient(c.root(a)), t.Context()
	admin := patient(c.admin(t, a))
	jumps := []time.Duration{3 * time.Hour, -3 * time.Hour, 100 * 24 * time.Hour, -time.Minute, 0}
	written := 0
	create := func(t *testing.T) {
		t.Helper()
		written++
		must(admin.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String(fmt.Sprintf("clock-%d", written))}))(t)
	}
	t.Run("freshness", func(t *testing.T) {
		for _, by := range jumps {
			jump(by)
			create(t)
			if status := c.get(t, "/readyz"); status != http.StatusOK {
				t.Errorf("readyz is %d after a jump of %s", status, by)
			}
		}
	})
	t.Run("signatures", func(t *testing.T) {
		for by, want := range map[time.Duration]string{
			3 * time.Hour: "SignatureDoesNotMatch", -3 * time.Hour: "SignatureDoesNotMatch", 4 * time.Minute: "", -4 * time.Minute: "",
		} {
			jump(0)
			signer := c.root(a) // its clock is right, and it has not learned of any other
			jump(by)
			_, err := signer.iam.ListUsers(ctx, &iam.ListUsersInput{}, once)
			if got := code(err); got != want {
				t.Errorf("signed %s off: %q (%v)", by, got, err)
			}
		}
		jump(0)
	})
	t.Run("sessions", func(t *testing.T) {
		who := must(admin.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
		role := admin.role(t, "clock", trusting(*who.Account), statement("Allow", "iam:ListUsers", "*"))
		assume := func() *caller {
			return patient(c.assume(t, admin, &sts.AssumeRoleInput{RoleArn: &role, RoleSessionName: aws.String("clock"), DurationSeconds: aws.Int32(3600)}))
		}
		use := func(s *caller) string {
			_, err := s.iam.ListUsers(ctx, &iam.ListUsersInput{})
			return code(err)
		}
		early := assume()
		jump(2 * time.Hour)
		late := assume()
		if got := use(early); got != "ExpiredToken" {
			t.Errorf("an hour after its end a session gets %q", got)
		}
		if got := use(late); got != "" {
			t.Errorf("a new session gets %q", got)
		}
		jump(0)
		if got := use(early); got != "" {
			t.Errorf("a session whose hour is not over gets %q", got)
		}
		if got := use(late); got != "ExpiredToken" {
			t.Errorf("a session from the future, good for three hours, gets %q", got)
		}
		jump(-4 * time.Minute) // as far as the clocks of nodes may be apart
		fresh := assume()
		if got := use(fresh); got != "" {
			t.Errorf("a new session gets %q", got)
		}
		jump(0)
	})
	t.Run("one-time codes", func(t *testing.T) {
		made := must(root.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("clock")}))(t).VirtualMFADevice
		seed := must(credential.ParseSeed(secret.New(string(made.Base32StringSeed))))(t)
		at := func(when time.Time, steps int64) *string {
			return aws.String(credential.Code(seed, credential.StepAt(when)+steps).Reveal())
		}
		start := time.Now()
		must(root.iam.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{
			UserName: aws.String("Administrator"), SerialNumber: made.SerialNumber, AuthenticationCode1: at(start, -1), AuthenticationCode2: at(start, 0),
		}))(t)
		with := func(code *string) error {
			return failure(admin.sts.GetSessionToken(ctx, &sts.GetSessionTokenInput{SerialNumber: made.SerialNumber, TokenCode: code}))
		}
		must(0, with(at(start, 1)))(t)
		jump(-time.Minute)
		for steps := int64(-2); steps <= 1; steps++ { // four: after five the device would take no code for a while
			if err := with(at(start, steps)); code(err) != "AccessDenied" {
				t.Errorf("the clock went back, and the code of step %d, which is over, gets %v", steps, err)
			}
		}
		jump(3 * time.Hour)
		later := now()
		must(0, with(at(later, 0)))(t)
		if err := with(at(later, 0)); code(err) != "AccessDenied" {
			t.Errorf("a code for the second time: %v", err)
		}
		jump(0)
	})
	t.Run("reports", func(t *testing.T) {
		generate := func() types.ReportStateType {
			return must(admin.iam.GenerateCredentialReport(ctx, &iam.GenerateCredentialReportInput{}))(t).State
		}
		complete := func() {
			t.Helper()
			testenv.Eventually(t, "the report is made", func() error {
				if s := generate(); s != types.ReportStateTypeComplete {
					return fmt.Errorf("it is %s", s)
				}
				return nil
			})
		}
		for _, by := range jumps {
			jump(by)
			complete()
			report := must(admin.iam.GetCredentialReport(ctx, &iam.GetCredentialReportInput{}))(t)
			if age := now().Sub(*report.GeneratedTime); age < -5*time.Minute || age >= 4*time.Hour {
				t.Errorf("after a jump of %s the report is %s old", by, age)
			}
		}
		jump(0)
	})
	t.Run("last uses", func(t *testing.T) {
		user := patient(c.user(t, admin, "used", iamReadOnlyAccess))
		last := func() time.Time {
			use := must(user.iam.GetAccessKeyLastUsed(ctx, &iam.GetAccessKeyLastUsedInput{AccessKeyId: &user.id}))(t).AccessKeyLastUsed
			return aws.ToTime(use.LastUsedDate)
		}
		jump(3 * time.Hour)
		forward := last()
		jump(-3 * time.Hour)
		if back := last(); back.Before(forward) {
			t.Errorf("the last use went back from %s to %s", forward, back)
		}
		jump(0)
	})
	t.Run("the trail", func(t *testing.T) {
		for _, by := range jumps {
			jump(by)
			create(t)
		}
		jump(0)
		ids, seen := make(map[string]bool), make(map[string]int)
		for _, e := range c.events(t, srv.OperatorToken) {
			if ids[e.EventID] {
				t.Errorf("event %s is in the trail twice", e.EventID)
			}
			ids[e.EventID] = true
			if name, _ := e.RequestParameters["userName"].(string); e.EventName == "CreateUser" {
				seen[name]++
			}
		}
		for i := 1; i <= written; i++ {
			if name := fmt.Sprintf("clock-%d", i); seen[name] != 1 {
				t.Errorf("the creation of %s is in the trail %d times", name, seen[name])
			}
		}
		if written < 10 {
			t.Errorf("%d users made", written)
		}
	})
}
