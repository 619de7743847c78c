package wire_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// The sentences are AWS's, as its services answer them today.
func TestConstraints(t *testing.T) {
	const tagValue = `[\p{L}\p{Z}\p{N}_.:/=+\-@]*`
	long := strings.Repeat("a", 65)
	for _, c := range []struct{ service, text, want string }{
		{"iam", "Action=CreateRole&RoleName=r&AssumeRolePolicyDocument={}", ""},
		{"iam", "Action=CreateUser", "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"},
		{"iam", "Action=CreateUser&UserName=a+b", `1 validation error detected: Value 'a b' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+`},
		{"iam", "Action=CreateUser&UserName=" + long, "1 validation error detected: Value '" + long + "' at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"iam", "Action=GetUser&UserName=", `2 validation errors detected: Value '' at 'userName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]+; ` +
			"Value '' at 'userName' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"iam", "Action=ListUsers&MaxItems=0", "1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"iam", "Action=ListUsers&MaxItems=1001", "1 validation error detected: Value '1001' at 'maxItems' failed to satisfy constraint: Member must have value less than or equal to 1000"},
		{"iam", "Action=UpdateAccessKey&AccessKeyId=AKIAIOSFODNN7EXAMPLE&Status=Sleeping",
			"1 validation error detected: Value 'Sleeping' at 'status' failed to satisfy constraint: Member must satisfy enum value set: [Active, Inactive, Expired]"},
		{"iam", "Action=TagUser&UserName=u", "1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null"},
		{"iam", "Action=TagUser&UserName=u&Tags.member.1.Key=k&Tags.member.1.Value=v&Tags.member.2.Key=l",
			"1 validation error detected: Value null at 'tags.2.member.value' failed to satisfy constraint: Member must not be null"},
		{"iam", "Action=TagUser&UserName=u&Tags.member.1.Key=k&Tags.member.1.Value=%23",
			"1 validation error detected: Value '#' at 'tags.1.member.value' failed to satisfy constraint: Member must satisfy regular expression pattern: " + tagValue},
		{"iam", "Action=UntagUser&UserName=u&TagKeys.member.1=ok&TagKeys.member.2=%23", "1 validation error detected: Value '[ok, #]' at 'tagKeys' failed to satisfy constraint: " +
			"Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, " +
			`Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+]`},
		{"iam", "Action=TagUser&UserName=u" + tags(51), "1 validation error detected: Value '[51 members]' at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50"},
		{"iam", "Action=CreateLoginProfile&UserName=u&Password=" + strings.Repeat("p", 129),
			"1 validation error detected: Value at 'password' failed to satisfy constraint: Member must have length less than or equal to 128"},
		{"iam", "Action=AcquireRole&TemplateArn=arn:aws:iam::aws:template/x&ReplacementValues.entry.1.key=k&ReplacementValues.entry.1.value.Values=", ""},
		{"sts", "Action=AssumeRole&RoleArn=short&DurationSeconds=1", "3 validation errors detected: " +
			"Value '1' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900; " +
			"Value 'short' at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20; " +
			"Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null"},
		{"sts", "Action=AssumeRole&RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=s1&TokenCode=99",
			"1 validation error detected: Value at 'tokenCode' failed to satisfy constraint: Member must have length greater than or equal to 6"},
		{"organizations", `CreateAccount {"AccountName":"a"}`, "1 validation error detected: Value null at 'email' failed to satisfy constraint: Member must not be null"},
		{"organizations", `CreateAccount {"AccountName":"a","Email":null}`, "1 validation error detected: Value null at 'email' failed to satisfy constraint: Member must not be null"},
		{"organizations", `CreateAccount {"AccountName":"a","Email":"somebody"}`, "1 validation error detected: Value at 'email' failed to satisfy constraint: " +
			`Member must satisfy regular expression pattern: [^\s@]+@[^\s@]+\.[^\s@]+`},
		{"organizations", `TagResource {"ResourceId":"123456789012","Tags":[{"Key":"k","Value":"v"},{"Key":"k"}]}`,
			"1 validation error detected: Value null at 'tags.2.member.value' failed to satisfy constraint: Member must not be null"},
	} {
		_, err := decode(t, c.service, c.text)
		if got := fault.MessageOf(err); got != c.want || err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s:\ngot  %s: %s\nwant %s", c.text, fault.KindOf(err), got, c.want)
		}
	}
}

func tags(n int) string {
	var b strings.Builder
	for i := range n {
		s := string(rune('0'+i/10)) + string(rune('0'+i%10))
		b.WriteString("&Tags.member.1" + s + ".Key=k" + s + "&Tags.member.1" + s + ".Value=v")
	}
	return b.String()
}

// Characters are counted, not bytes.
func TestLengthsCountCharacters(t *testing.T) {
	in := &iam.TagUserRequest{UserName: "u", Tags: []iam.Tag{{Key: strings.Repeat("ж", 128), Value: strings.Repeat("ж", 256)}}}
	if err := in.Validate(); err != nil {
		t.Error(err)
	}
	in.Tags[0].Key += "ж"
	if err := in.Validate(); err == nil {
		t.Error("129 characters were accepted")
	}
}

func TestMessagesAreBounded(t *testing.T) {
	var list []iam.Tag
	for range 5000 {
		list = append(list, iam.Tag{Key: "k", Value: strings.Repeat("#", 100_000)})
	}
	err := (&iam.TagUserRequest{UserName: "u", Tags: list}).Validate()
	message := fault.MessageOf(err)
	if !strings.HasPrefix(message, "10001 validation errors detected: ") || len(message) > 200_000 {
		t.Errorf("%d bytes: %.60s", len(message), message)
	}
	if err := (&iam.GetUserRequest{UserName: new(strings.Repeat("é ", 3000))}).Validate(); !strings.Contains(fault.MessageOf(err), "…' at 'userName'") {
		t.Errorf("%.60s", fault.MessageOf(err))
	}
}

// Ten thousand missing members are told as quickly as they are read.
func TestManyMissingMembers(t *testing.T) {
	var b strings.Builder
	b.WriteString("Action=TagUser&UserName=u")
	for i := range 9990 {
		b.WriteString("&Tags.member." + strconv.Itoa(i+1) + ".Key=k")
	}
	_, err := decode(t, "iam", b.String())
	if m := fault.MessageOf(err); !strings.HasPrefix(m, "9991 validation errors detected: Value '[9990 members]' at 'tags'") {
		t.Errorf("%.100s", m)
	}
}

func TestValidateByHand(t *testing.T) {
	for _, c := range []struct {
		in   interface{ Validate() error }
		want string
	}{
		{&iam.CreateUserRequest{UserName: "u"}, ""},
		{&iam.GetUserRequest{}, ""},
		{&iam.GetAccountSummaryRequest{}, ""},
		{&iam.TagUserRequest{UserName: "u"}, "Value null at 'tags'"},
		{&iam.TagUserRequest{UserName: "u", Tags: []iam.Tag{}}, ""},
		{&iam.PutAccountPropertiesRequest{}, "Value null at 'properties'"},
		{&iam.CreateUserRequest{}, "Value '' at 'userName'"},
	} {
		err := c.in.Validate()
		if (err == nil) != (c.want == "") || !strings.Contains(fault.MessageOf(err), c.want) {
			t.Errorf("%T: %v, want %q", c.in, err, c.want)
		}
	}
}
