package elasticache_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func createSubnetGroup(name string, subnets ...string) *sdk.CreateCacheSubnetGroupInput {
	return &sdk.CreateCacheSubnetGroupInput{CacheSubnetGroupName: &name, CacheSubnetGroupDescription: aws.String("front row"), SubnetIds: subnets}
}

func TestSubnetGroups(t *testing.T) {
	w := newWorld(t)
	in := createSubnetGroup("Front-1", "subnet-1a", "subnet-1b")
	in.Tags = tags("team", "red")
	made, err := w.root.CreateCacheSubnetGroup(t.Context(), in)
	w.must(err)
	g := made.CacheSubnetGroup
	if *g.CacheSubnetGroupName != "front-1" || *g.ARN != w.arn("subnetgroup:front-1") || *g.CacheSubnetGroupDescription != "front row" || len(g.Subnets) != 2 ||
		*g.Subnets[1].SubnetIdentifier != "subnet-1b" || *g.Subnets[1].SubnetAvailabilityZone.Name != "us-east-1b" || !strings.HasPrefix(*g.VpcId, "vpc-") {
		t.Errorf("made %+v", g)
	}
	again, err := w.root.DescribeCacheSubnetGroups(t.Context(), &sdk.DescribeCacheSubnetGroupsInput{CacheSubnetGroupName: aws.String("FRONT-1")})
	w.must(err)
	if diff := cmp.Diff(*g, again.CacheSubnetGroups[0], cmpopts.IgnoreUnexported(types.CacheSubnetGroup{}, types.Subnet{}, types.AvailabilityZone{})); diff != "" || len(again.CacheSubnetGroups) != 1 {
		t.Errorf("what is read is not what was made: %s", diff)
	}
	_, err = w.root.CreateCacheSubnetGroup(t.Context(), createSubnetGroup("front-1", "subnet-1a"))
	w.refused(err, "CacheSubnetGroupAlreadyExists")

	changed, err := w.root.ModifyCacheSubnetGroup(t.Context(), &sdk.ModifyCacheSubnetGroupInput{CacheSubnetGroupName: aws.String("front-1"), SubnetIds: []string{"subnet-9"}})
	w.must(err)
	if s := changed.CacheSubnetGroup.Subnets; len(s) != 1 || *s[0].SubnetIdentifier != "subnet-9" || *changed.CacheSubnetGroup.CacheSubnetGroupDescription != "front row" {
		t.Errorf("changed to %+v", changed.CacheSubnetGroup)
	}
	// Another region is another place.
	elsewhere := w.as(w.account.AccessKeyID, w.account.SecretAccessKey, "eu-west-1")
	_, err = elsewhere.DeleteCacheSubnetGroup(t.Context(), &sdk.DeleteCacheSubnetGroupInput{CacheSubnetGroupName: aws.String("front-1")})
	w.refused(err, "CacheSubnetGroupNotFoundFault")

	_, err = w.root.DeleteCacheSubnetGroup(t.Context(), &sdk.DeleteCacheSubnetGroupInput{CacheSubnetGroupName: aws.String("front-1")})
	w.must(err)
	_, err = w.root.DescribeCacheSubnetGroups(t.Context(), &sdk.DescribeCacheSubnetGroupsInput{CacheSubnetGroupName: aws.String("front-1")})
	w.refused(err, "CacheSubnetGroupNotFoundFault")
}

func TestSubnetGroupsRefused(t *testing.T) {
	w := newWorld(t)
	twenty := make([]string, 21)
	for i := range twenty {
		twenty[i] = fmt.Sprintf("subnet-%d", i)
	}
	for _, tt := range []struct {
		name    string
		subnets []string
		code    string
	}{
		{"default", []string{"subnet-1"}, "InvalidParameterValue"},
		{"1front", []string{"subnet-1"}, "InvalidParameterValue"},
		{"front-", []string{"subnet-1"}, "InvalidParameterValue"},
		{"fro--nt", []string{"subnet-1"}, "InvalidParameterValue"},
		{"front\n", []string{"subnet-1"}, "InvalidParameterValue"},
		{"a" + strings.Repeat("b", 255), []string{"subnet-1"}, "InvalidParameterValue"},
		{"front", []string{"net-1"}, "InvalidSubnet"},
		{"front", []string{"subnet-1", "subnet-1"}, "InvalidSubnet"},
		{"front", []string{"subnet-"}, "InvalidSubnet"},
		{"front", []string{"subnet-1\u00e9"}, "InvalidSubnet"},
		{"front", twenty, "CacheSubnetQuotaExceededFault"},
	} {
		_, err := w.root.CreateCacheSubnetGroup(t.Context(), createSubnetGroup(tt.name, tt.subnets...))
		w.refused(err, tt.code)
	}
	groups, err := w.root.DescribeCacheSubnetGroups(t.Context(), &sdk.DescribeCacheSubnetGroupsInput{})
	w.must(err)
	if len(groups.CacheSubnetGroups) != 0 {
		t.Errorf("%d groups were made all the same", len(groups.CacheSubnetGroups))
	}
}

func TestSubnetGroupPages(t *testing.T) {
	w := newWorld(t)
	var want, got []string
	for i := range 45 {
		name := fmt.Sprintf("g%02d", i)
		want = append(want, name)
		_, err := w.root.CreateCacheSubnetGroup(t.Context(), createSubnetGroup(name, "subnet-1"))
		w.must(err)
	}
	pages := sdk.NewDescribeCacheSubnetGroupsPaginator(w.root, &sdk.DescribeCacheSubnetGroupsInput{MaxRecords: aws.Int32(20)})
	for n := 0; pages.HasMorePages(); n++ {
		p, err := pages.NextPage(t.Context())
		w.must(err)
		if n < 2 && len(p.CacheSubnetGroups) != 20 {
			t.Errorf("page %d has %d groups", n, len(p.CacheSubnetGroups))
		}
		for _, g := range p.CacheSubnetGroups {
			got = append(got, *g.CacheSubnetGroupName)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	_, err := w.root.DescribeCacheSubnetGroups(t.Context(), &sdk.DescribeCacheSubnetGroupsInput{MaxRecords: aws.Int32(19)})
	w.refused(err, "InvalidParameterValue")
	_, err = w.root.DescribeCacheSubnetGroups(t.Context(), &sdk.DescribeCacheSubnetGroupsInput{Marker: aws.String("g01")})
	w.refused(err, "InvalidParameterValue")
}

// TestWhoMay: a permission on one name opens that one and not the listing (S5-65); a creation with tags needs two (S5-59); a tag of the
// resource decides; "*" keeps working (S5-1); another account's permission on the ARN is none (S5-37).
func TestWhoMay(t *testing.T) {
	w := newWorld(t)
	tagged := createSubnetGroup("red", "subnet-1")
	tagged.Tags = tags("team", "red")
	_, err := w.root.CreateCacheSubnetGroup(t.Context(), tagged)
	w.must(err)
	_, err = w.root.CreateCacheSubnetGroup(t.Context(), createSubnetGroup("blue", "subnet-1"))
	w.must(err)
	describe := func(c *sdk.Client, name *string) error {
		_, err := c.DescribeCacheSubnetGroups(t.Context(), &sdk.DescribeCacheSubnetGroupsInput{CacheSubnetGroupName: name})
		return err
	}
	remove := func(c *sdk.Client, name string) error {
		_, err := c.DeleteCacheSubnetGroup(t.Context(), &sdk.DeleteCacheSubnetGroupInput{CacheSubnetGroupName: &name})
		return err
	}

	one := w.user(`{"Effect":"Allow","Action":"elasticache:DescribeCacheSubnetGroups","Resource":"` + w.arn("subnetgroup:red") + `"}`)
	w.refused(describe(one, aws.String("red")), "")
	w.refused(describe(one, aws.String("blue")), "AccessDenied")
	w.refused(describe(one, nil), "AccessDenied")
	w.refused(describe(w.user(`{"Effect":"Allow","Action":"elasticache:Describe*","Resource":"*"}`), nil), "")
	w.refused(describe(w.user(""), aws.String("red")), "AccessDenied")

	byTag := w.user(`{"Effect":"Allow","Action":"elasticache:*","Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"red"}}}`)
	w.refused(remove(byTag, "blue"), "AccessDenied")
	w.refused(remove(byTag, "none"), "AccessDenied")
	w.refused(remove(byTag, "red"), "")

	maker := w.user(`{"Effect":"Allow","Action":"elasticache:CreateCacheSubnetGroup","Resource":"*"}`)
	_, err = maker.CreateCacheSubnetGroup(t.Context(), tagged)
	w.refused(err, "AccessDenied")
	if err != nil && !strings.Contains(err.Error(), "elasticache:AddTagsToResource") {
		t.Errorf("the denial does not say what is missing: %v", err)
	}
	tagged.Tags = nil
	_, err = maker.CreateCacheSubnetGroup(t.Context(), tagged)
	w.refused(err, "")

	foreign := w.server.Account(t)
	stranger := w.as(foreign.AccessKeyID, foreign.SecretAccessKey, "us-east-1")
	w.refused(remove(stranger, "blue"), "CacheSubnetGroupNotFoundFault") // its own account's, of which there is none
}

func TestTags(t *testing.T) {
	w := newWorld(t)
	_, err := w.root.CreateCacheSubnetGroup(t.Context(), createSubnetGroup("front", "subnet-1"))
	w.must(err)
	arn := aws.String(w.arn("subnetgroup:front"))
	out, err := w.root.AddTagsToResource(t.Context(), &sdk.AddTagsToResourceInput{ResourceName: arn, Tags: tags("team", "red", "cost", "1")})
	w.must(err)
	if len(out.TagList) != 2 {
		t.Errorf("tags %v", out.TagList)
	}
	_, err = w.root.AddTagsToResource(t.Context(), &sdk.AddTagsToResourceInput{ResourceName: arn, Tags: tags("team", "blue")})
	w.must(err)
	left, err := w.root.RemoveTagsFromResource(t.Context(), &sdk.RemoveTagsFromResourceInput{ResourceName: arn, TagKeys: []string{"cost"}})
	w.must(err)
	list, err := w.root.ListTagsForResource(t.Context(), &sdk.ListTagsForResourceInput{ResourceName: arn})
	w.must(err)
	if len(left.TagList) != 1 || len(list.TagList) != 1 || *list.TagList[0].Key != "team" || *list.TagList[0].Value != "blue" {
		t.Errorf("tags %v and %v", left.TagList, list.TagList)
	}
	_, err = w.root.RemoveTagsFromResource(t.Context(), &sdk.RemoveTagsFromResourceInput{ResourceName: arn, TagKeys: []string{"cost"}})
	w.refused(err, "TagNotFound")
	var many []string
	for i := range 50 {
		many = append(many, fmt.Sprint("k", i), "v")
	}
	_, err = w.root.AddTagsToResource(t.Context(), &sdk.AddTagsToResourceInput{ResourceName: arn, Tags: tags(many...)})
	w.refused(err, "TagQuotaPerResourceExceeded")
	_, err = w.root.AddTagsToResource(t.Context(), &sdk.AddTagsToResourceInput{ResourceName: arn, Tags: tags("aws:team", "red")})
	w.refused(err, "InvalidParameterValue")
	for _, bad := range []string{"front", "arn:aws:elasticache:us-east-1:" + w.account.AccountID + ":nothing:front", "arn:aws:elasticache:eu-west-1:" + w.account.AccountID + ":subnetgroup:front", "arn:aws:s3:::front"} {
		_, err = w.root.ListTagsForResource(t.Context(), &sdk.ListTagsForResourceInput{ResourceName: &bad})
		w.refused(err, "InvalidARN")
	}
	_, err = w.root.ListTagsForResource(t.Context(), &sdk.ListTagsForResourceInput{ResourceName: aws.String("arn:aws:elasticache:us-east-1:999999999999:subnetgroup:front")})
	w.refused(err, "AccessDenied") // another account's, which no policy of this one opens (S5-37)
	_, err = w.root.ListTagsForResource(t.Context(), &sdk.ListTagsForResourceInput{ResourceName: aws.String(w.arn("subnetgroup:none"))})
	w.refused(err, "CacheSubnetGroupNotFoundFault")

	// Who may tag with some keys only may not tag with others, and may not tag other resources.
	some := w.user(`{"Effect":"Allow","Action":["elasticache:AddTagsToResource","elasticache:RemoveTagsFromResource"],"Resource":"` + *arn + `",
		"Condition":{"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}}}`)
	_, err = some.AddTagsToResource(t.Context(), &sdk.AddTagsToResourceInput{ResourceName: arn, Tags: tags("team", "green")})
	w.refused(err, "")
	_, err = some.AddTagsToResource(t.Context(), &sdk.AddTagsToResourceInput{ResourceName: arn, Tags: tags("cost", "2")})
	w.refused(err, "AccessDenied")
	_, err = some.RemoveTagsFromResource(t.Context(), &sdk.RemoveTagsFromResourceInput{ResourceName: arn, TagKeys: []string{"cost", "team"}})
	w.refused(err, "AccessDenied")
}
