package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/wire"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/organizations"
	"github.com/ostiary-iam/ostiary/internal/wire/shape/sts"
)

// decode takes "Action=…" parameters without the version, or "Operation {json}".
func decode(t testing.TB, service, text string) (wire.Input, error) {
	t.Helper()
	var call *wire.Call
	var err error
	if service == "organizations" {
		name, body, _ := strings.Cut(text, " ")
		call, err = all.Recognize(post(body, "Content-Type", jsonType, "X-Amz-Target", "AWSOrganizationsV20161128."+name))
	} else {
		version := map[string]string{"iam": iam.API.Version, "sts": sts.API.Version, "elasticache": elasticache.API.Version}[service]
		call, err = all.Recognize(post(text+"&Version="+version, "Authorization", scope(service)))
	}
	if err != nil {
		t.Fatal(err)
	}
	return call.Input, call.Validate()
}

func TestDecode(t *testing.T) {
	day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	moment := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		service, text string
		want          wire.Input
	}{
		{"iam", "Action=CreateUser&UserName=alice&Path=%2Fa%2F&Tags.member.1.Key=k&Tags.member.1.Value=", &iam.CreateUserRequest{
			UserName: "alice", Path: new("/a/"), Tags: []iam.Tag{{Key: "k"}}}},
		// Any order, gaps in the numbers, ten after nine.
		{"iam", "Action=UntagUser&TagKeys.member.10=c&TagKeys.member.2=a&UserName=u&TagKeys.member.9=b", &iam.UntagUserRequest{
			UserName: "u", TagKeys: []string{"a", "b", "c"}}},
		{"iam", "Action=UntagUser&TagKeys=&UserName=u", &iam.UntagUserRequest{UserName: "u", TagKeys: []string{}}},
		{"iam", "Action=TagUser&Tags=&UserName=u", &iam.TagUserRequest{UserName: "u", Tags: []iam.Tag{}}},
		{"iam", "Action=GetAccountSummary", &iam.GetAccountSummaryRequest{}},
		{"iam", "Action=ListPolicies&OnlyAttached=True&MaxItems=7", &iam.ListPoliciesRequest{OnlyAttached: new(true), MaxItems: new(7)}},
		{"iam", "Action=PutAccountProperties&Properties.entry.2.key=b&Properties.entry.2.value=2&Properties.entry.1.key=a&Properties.entry.1.value=1",
			&iam.PutAccountPropertiesRequest{Properties: map[string]string{"a": "1", "b": "2"}}},
		{"iam", "Action=PutAccountProperties&Properties=", &iam.PutAccountPropertiesRequest{Properties: map[string]string{}}},
		{"iam", "Action=AcquireRole&TemplateArn=arn:aws:iam::aws:template/x&ReplacementValues.entry.1.key=k&ReplacementValues.entry.1.value.Values.member.1=v",
			&iam.AcquireRoleRequest{TemplateArn: "arn:aws:iam::aws:template/x", ReplacementValues: map[string]iam.ReplacementValueEntry{"k": {Values: []string{"v"}}}}},
		// The model's element name and "member" are both taken (S5-26).
		{"elasticache", "Action=RebootCacheCluster&CacheClusterId=c&CacheNodeIdsToReboot.CacheNodeId.1=0001", &elasticache.RebootCacheClusterMessage{
			CacheClusterId: "c", CacheNodeIdsToReboot: []string{"0001"}}},
		{"elasticache", "Action=RebootCacheCluster&CacheClusterId=c&CacheNodeIdsToReboot.member.1=0001", &elasticache.RebootCacheClusterMessage{
			CacheClusterId: "c", CacheNodeIdsToReboot: []string{"0001"}}},
		{"elasticache", "Action=DescribeEvents&StartTime=2026-01-02T03:04:05Z", &elasticache.DescribeEventsMessage{StartTime: &moment}},
		{"elasticache", "Action=DescribeEvents&StartTime=2026-01-02T04:04:05%2B01:00", &elasticache.DescribeEventsMessage{StartTime: &moment}},
		{"elasticache", "Action=DescribeEvents&StartTime=20260102T030405Z", &elasticache.DescribeEventsMessage{StartTime: &moment}},
		{"elasticache", "Action=DescribeEvents&StartTime=1767323045", &elasticache.DescribeEventsMessage{StartTime: &moment}},
		{"elasticache", "Action=DescribeEvents&StartTime=2026-01-02", &elasticache.DescribeEventsMessage{StartTime: &day}},
		{"elasticache", "Action=DescribeEvents&StartTime=2026-01-02T03:04:05.250Z", &elasticache.DescribeEventsMessage{StartTime: new(moment.Add(250 * time.Millisecond))}},
		{"organizations", `ListRoots {}`, &organizations.ListRootsRequest{}},
		{"organizations", `ListRoots  `, &organizations.ListRootsRequest{}},
		{"organizations", `ListRoots {"MaxResults":3,"NextToken":null}`, &organizations.ListRootsRequest{MaxResults: new(3)}},
		{"organizations", `CreateAccount {"AccountName":"a","Email":"abc@example.org","Tags":[{"Key":"k","Value":"v"},{"Value":"w","Key":"l"}]}`,
			&organizations.CreateAccountRequest{AccountName: "a", Email: "abc@example.org", Tags: []organizations.Tag{{Key: "k", Value: "v"}, {Key: "l", Value: "w"}}}},
		{"organizations", `UntagResource {"ResourceId":"123456789012","TagKeys":["a","b"]}`, &organizations.UntagResourceRequest{ResourceId: "123456789012", TagKeys: []string{"a", "b"}}},
		{"organizations", `TagResource {"ResourceId":"123456789012","Tags":[]}`, &organizations.TagResourceRequest{ResourceId: "123456789012", Tags: []organizations.Tag{}}},
	} {
		got, err := decode(t, c.service, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: want - got +\n%s", c.text, d)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		service, text string
		kind          fault.Kind
		message       string
	}{
		{"iam", "Action=CreateUser&UserName=a&Colour=red", fault.Invalid, "The parameter 'Colour' is not known to this operation."},
		{"iam", "Action=GetAccountSummary&UserName=a", fault.Invalid, "The parameter 'UserName' is not known to this operation."},
		{"iam", "Action=CreateUser&userName=a", fault.Invalid, "The parameter 'userName' is not known to this operation."},
		{"iam", "Action=CreateUser&UserName=a&Tags.member.1.Colour=red", fault.Invalid, "The parameter 'Tags.member.1.Colour' is not known to this operation."},
		{"iam", "Action=CreateUser&UserName=a&Tags.item.1.Key=k", fault.Invalid, "The parameter 'Tags.item.1.Key' is not known to this operation."},
		{"iam", "Action=CreateUser&UserName=a&UserName=b", fault.MalformedInput, "The parameter 'UserName' cannot be read: it is given more than once."},
		{"iam", "Action=CreateUser&UserName.x=a", fault.MalformedInput, "The parameter 'UserName' cannot be read: a single value is expected."},
		{"iam", "Action=CreateUser&UserName=a&UserName.member.1=b", fault.MalformedInput, "The parameter 'UserName' cannot be read: it is given more than once."},
		{"iam", "Action=TagUser&UserName=a&Tags=x", fault.MalformedInput, "The parameter 'Tags' cannot be read: a structure or list is expected."},
		{"iam", "Action=TagUser&UserName=a&Tags=&Tags.member.1.Key=k&Tags.member.1.Value=v", fault.MalformedInput, "The parameter 'Tags' cannot be read: a structure or list is expected."},
		{"iam", "Action=TagUser&UserName=a&Tags.member=x", fault.MalformedInput, "The parameter 'Tags.member' cannot be read: a structure or list is expected."},
		{"iam", "Action=TagUser&UserName=a&Tags.member.1=x", fault.MalformedInput, "The parameter 'Tags.member.1' cannot be read: a structure or list is expected."},
		{"iam", "Action=TagUser&UserName=a&Tags.member.x.Key=k", fault.MalformedInput, "The parameter 'Tags.member.x' cannot be read: the list's index is not a number from 1."},
		{"iam", "Action=UntagUser&UserName=a&TagKeys.member.0=k", fault.MalformedInput, "The parameter 'TagKeys.member.0' cannot be read: the list's index is not a number from 1."},
		{"iam", "Action=UntagUser&UserName=a&TagKeys.member.01=k", fault.MalformedInput, "The parameter 'TagKeys.member.01' cannot be read: the list's index is not a number from 1."},
		{"iam", "Action=UntagUser&UserName=a&TagKeys.member.1=k&TagKeys.member.1=l", fault.MalformedInput, "The parameter 'TagKeys.member.1' cannot be read: it is given more than once."},
		{"iam", "Action=ListUsers&MaxItems=many", fault.MalformedInput, "The parameter 'MaxItems' cannot be read: an integer is expected."},
		{"iam", "Action=ListUsers&MaxItems=", fault.MalformedInput, "The parameter 'MaxItems' cannot be read: an integer is expected."},
		{"iam", "Action=ListUsers&MaxItems=%2B1", fault.MalformedInput, "The parameter 'MaxItems' cannot be read: an integer is expected."},
		{"iam", "Action=ListUsers&MaxItems=4294967297", fault.MalformedInput, "The parameter 'MaxItems' cannot be read: an integer is expected."},
		{"iam", "Action=ListPolicies&OnlyAttached=yes", fault.MalformedInput, "The parameter 'OnlyAttached' cannot be read: true or false is expected."},
		{"iam", "Action=PutAccountProperties&Properties.entry.1.value=v", fault.MalformedInput, "The parameter 'Properties.entry.1.value' cannot be read: an entry without a key."},
		{"iam", "Action=PutAccountProperties&Properties.entry.1.key=k", fault.MalformedInput, "The parameter 'Properties.entry.1.key' cannot be read: an entry without a value."},
		{"iam", "Action=PutAccountProperties&Properties.entry.1.key=k&Properties.entry.1.value=v&Properties.entry.1.x=y", fault.Invalid, "The parameter 'Properties.entry.1.x' is not known to this operation."},
		{"iam", "Action=PutAccountProperties&Properties.entry.1.key=k&Properties.entry.1.value=v&Properties.entry.2.key=k&Properties.entry.2.value=v",
			fault.MalformedInput, "The parameter 'Properties.entry.2.key' cannot be read: the key comes twice."},
		{"elasticache", "Action=DescribeEvents&StartTime=yesterday", fault.MalformedInput, "The parameter 'StartTime' cannot be read: a time is expected."},
		{"elasticache", "Action=DescribeEvents&StartTime=1e300", fault.MalformedInput, "The parameter 'StartTime' cannot be read: a time is expected."},
		{"elasticache", "Action=DescribeEvents&StartTime=NaN", fault.MalformedInput, "The parameter 'StartTime' cannot be read: a time is expected."},
		{"elasticache", "Action=RebootCacheCluster&CacheClusterId=c&CacheNodeIdsToReboot.member.1=1&CacheNodeIdsToReboot.CacheNodeId.1=2",
			fault.Invalid, "The parameter 'CacheNodeIdsToReboot.member.1' is not known to this operation."},

		{"organizations", `CreateAccount {"Colour":"red"}`, fault.MalformedInput, "The member 'colour' is not known to this operation."},
		{"organizations", `TagResource {"ResourceId":"r","Tags":[{"Key":"k","Value":"v"},{"Colour":"red"}]}`, fault.MalformedInput, "The member 'tags.2.member.colour' is not known to this operation."},
		{"organizations", `CreateAccount {"Email":1}`, fault.MalformedInput, "The value at 'email' is not a string."},
		{"organizations", `CreateAccount {"Email":true}`, fault.MalformedInput, "The value at 'email' is not a string."},
		{"organizations", `ListRoots {"MaxResults":"3"}`, fault.MalformedInput, "The value at 'maxResults' is not an integer."},
		{"organizations", `ListRoots {"MaxResults":3.5}`, fault.MalformedInput, "The value at 'maxResults' is not an integer."},
		{"organizations", `ListRoots {"MaxResults":4294967297}`, fault.MalformedInput, "The value at 'maxResults' is not an integer."},
		{"organizations", `TagResource {"ResourceId":"r","Tags":{}}`, fault.MalformedInput, "The value at 'tags' is not a list."},
		{"organizations", `TagResource {"ResourceId":"r","Tags":["x"]}`, fault.MalformedInput, "The value at 'tags' is not a structure."},
		{"organizations", `UntagResource {"ResourceId":"r","TagKeys":["x",null]}`, fault.MalformedInput, "The value at 'tagKeys.1.member' is not a string."},
		{"organizations", `ListRoots []`, fault.MalformedInput, "The value at '' is not a structure."},
		{"organizations", `ListRoots {} {}`, fault.MalformedInput, "The request body is not one well-formed JSON object."},
		{"organizations", `ListRoots {`, fault.MalformedInput, "The request body is not one well-formed JSON object."},
		{"organizations", `ListRoots {"MaxResults":1,}`, fault.MalformedInput, "The request body is not one well-formed JSON object."},
		{"organizations", `ListRoots {"MaxResults":1,"MaxResults":2}`, fault.MalformedInput, "The request body is not one well-formed JSON object."},
		{"organizations", "ListRoots {\"NextToken\":\"\xff\"}", fault.MalformedInput, "The request body is not one well-formed JSON object."},
	} {
		in, err := decode(t, c.service, c.text)
		if err == nil {
			t.Errorf("%s was read as %+v", c.text, in)
			continue
		}
		if fault.KindOf(err) != c.kind || fault.MessageOf(err) != c.message {
			t.Errorf("%s: %s: %s\nwant %s: %s", c.text, fault.KindOf(err), fault.MessageOf(err), c.kind, c.message)
		}
	}
}

// Lists that hold structures of their own structures, down to where the SDK's snapshots do not reach.
func TestDecodeTakesWhatSnapshotsTake(t *testing.T) {
	in, err := decode(t, "sts", "Action=AssumeRole&RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=s1&"+
		"PolicyArns.member.2.arn=arn:aws:iam::aws:policy/B&PolicyArns.member.1.arn=arn:aws:iam::aws:policy/A&DurationSeconds=900&TokenCode=123456")
	if err != nil {
		t.Fatal(err)
	}
	r := in.(*sts.AssumeRoleRequest)
	if len(r.PolicyArns) != 2 || *r.PolicyArns[0].Arn != "arn:aws:iam::aws:policy/A" || *r.DurationSeconds != 900 || r.TokenCode.Reveal() != "123456" {
		t.Errorf("%+v", r)
	}
}
