package ostiarytest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"

	"github.com/ostiary-iam/ostiary/ostiarytest"
)

// A test of something that calls IAM: here, that it makes a user.
func ExampleNew() {
	_ = func(t *testing.T) {
		srv := ostiarytest.New(t)
		acct := srv.Account(t)
		client := iam.New(iam.Options{
			Region: srv.Region, BaseEndpoint: aws.String(srv.URL),
			Credentials: credentials.NewStaticCredentialsProvider(acct.AccessKeyID, acct.SecretAccessKey, ""),
		})
		if _, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("alice")}); err != nil {
			t.Fatal(err)
		}
	}
}

// A server outside a test, and what it says to a user without permissions.
func ExampleOpen() {
	ctx := context.Background()
	srv, err := ostiarytest.Open(ctx, ostiarytest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	acct, err := srv.NewAccount(ctx)
	if err != nil {
		log.Fatal(err)
	}
	as := func(id, secret string) *iam.Client {
		return iam.New(iam.Options{
			Region: srv.Region, BaseEndpoint: aws.String(srv.URL),
			Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		})
	}
	root := as(acct.AccessKeyID, acct.SecretAccessKey)
	if _, err := root.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("alice")}); err != nil {
		log.Fatal(err)
	}
	key, err := root.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("alice")})
	if err != nil {
		log.Fatal(err)
	}
	alice := as(*key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey)
	_, err = alice.ListUsers(ctx, &iam.ListUsersInput{})
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		fmt.Println(refused.ErrorCode())
	}
	// Output: AccessDenied
}
