package ostiarytest

import (
	"os"
	"slices"
	"strings"
)

// Account is an account and the access key of its root user, whom no identity policy binds.
type Account struct {
	AccountID       string // twelve digits
	AccessKeyID     string
	SecretAccessKey string

	url, region string
}

// ARN returns the ARN of something in the account: a.ARN("user/alice") is arn:aws:iam::123456789012:user/alice.
func (a Account) ARN(resource string) string { return "arn:aws:iam::" + a.AccountID + ":" + resource }

// Env returns the environment for a child process that uses AWS (the AWS CLI, Terraform, a program with any SDK): the
// environment of this process with every AWS_ variable replaced, so that the child speaks to the server as the account's root
// user and never to AWS, whatever stands in the developer's own configuration. Append to it to change something: of two
// settings of one variable os/exec takes the later.
func (a Account) Env() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	for _, name := range []string{"NO_PROXY", "no_proxy"} {
		env = append(env, name+"="+direct(os.Getenv(name)))
	}
	return append(env,
		"AWS_ENDPOINT_URL="+a.url,
		"AWS_REGION="+a.region, "AWS_DEFAULT_REGION="+a.region,
		"AWS_ACCESS_KEY_ID="+a.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+a.SecretAccessKey,
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=",
	)
}

// direct adds the loopback addresses to a list of hosts that are reached without a proxy.
func direct(list string) string {
	hosts := []string{"127.0.0.1", "::1", "localhost"}
	if list != "" {
		hosts = append([]string{list}, hosts...)
	}
	return strings.Join(hosts, ",")
}
