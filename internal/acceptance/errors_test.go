package acceptance_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// is reports whether the SDK reads err as the exception E, with a message.
func is[E smithy.APIError](err error) bool {
	e, ok := errors.AsType[E](err)
	return ok && e.ErrorMessage() != "" && e.ErrorFault() == smithy.FaultClient
}

// TestExceptions: the documented errors arrive in the SDK as the exceptions that programs catch, with the documented status
// (IAM and STS API References, "Errors"). Which operation has which is the services' own tests' business.
func TestExceptions(t *testing.T) {
	checklist.Shows(t, "S1-448")
	c, srv := newCloud(t)
	a := srv.Account(t)
	by, ctx := c.admin(t, a), t.Context()
	alice := aws.String("alice")
	must(by.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: alice}))(t)
	must(by.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: alice}))(t)
	role := by.role(t, "app", trusting(a.AccountID), "")
	put := func(document string) error {
		return failure(by.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: alice, PolicyName: aws.String("p"), PolicyDocument: &document}))
	}
	many := make([]types.Tag, 0, 50)
	for i := range 50 {
		many = append(many, types.Tag{Key: aws.String(fmt.Sprint("tag-", i)), Value: aws.String("v")})
	}
	must(by.iam.TagUser(ctx, &iam.TagUserInput{UserName: alice, Tags: many}))(t)

	for _, row := range []struct {
		name   string
		err    error
		is     func(error) bool
		status int
	}{
		{"NoSuchEntity", failure(by.iam.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("nobody")})), is[*types.NoSuchEntityException], 404},
		{"EntityAlreadyExists", failure(by.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("ALICE")})), is[*types.EntityAlreadyExistsException], 409},
		{"DeleteConflict", failure(by.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: alice})), is[*types.DeleteConflictException], 409},
		{"LimitExceeded", failure(by.iam.TagUser(ctx, &iam.TagUserInput{UserName: alice, Tags: tags("one", "more")})), is[*types.LimitExceededException], 409},
		{"LimitExceeded of a size", put(statement("Allow", "s3:*", "arn:aws:s3:::"+strings.Repeat("x", 2048))), is[*types.LimitExceededException], 409},
		{"MalformedPolicyDocument", put(`{"Version":"2012-10-17","Statement":{"Effect":"Perhaps","Action":"*","Resource":"*"}}`), is[*types.MalformedPolicyDocumentException], 400},
		{"InvalidInput", failure(by.iam.TagUser(ctx, &iam.TagUserInput{UserName: alice, Tags: tags("same", "1", "Same", "2")})), is[*types.InvalidInputException], 400},
		{"PolicyNotAttachable", failure(by.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{
			UserName: alice, PolicyArn: aws.String("arn:aws:iam::aws:policy/aws-service-role/AWSSupportServiceRolePolicy"),
		})), is[*types.PolicyNotAttachableException], 400},
		{"MalformedPolicyDocument of a session", failure(by.sts.AssumeRole(ctx, &sts.AssumeRoleInput{
			RoleArn: &role, RoleSessionName: aws.String("session"), Policy: aws.String("{}"),
		})), is[*ststypes.MalformedPolicyDocumentException], 400},
		{"PackedPolicyTooLarge", failure(by.sts.AssumeRole(ctx, &sts.AssumeRoleInput{
			RoleArn: &role, RoleSessionName: aws.String("session"), Policy: aws.String(statement("Allow", "s3:*", "arn:aws:s3:::"+noise(1900))),
			PolicyArns: []ststypes.PolicyDescriptorType{{Arn: aws.String(iamReadOnlyAccess)}, {Arn: aws.String(powerUserAccess)}, {Arn: aws.String(administratorAccess)}},
		})), is[*ststypes.PackedPolicyTooLargeException], 400},
	} {
		response, ok := errors.AsType[*smithyhttp.ResponseError](row.err)
		if !row.is(row.err) || !ok || response.HTTPStatusCode() != row.status {
			t.Errorf("%s: %v", row.name, row.err)
		}
	}
}

// noise is text that does not compress well.
func noise(n int) string {
	var b strings.Builder
	for x := uint32(1); b.Len() < n; {
		x = x*1664525 + 1013904223
		b.WriteByte("abcdefghijklmnopqrstuvwxyz0123456789"[x>>16%36])
	}
	return b.String()
}
