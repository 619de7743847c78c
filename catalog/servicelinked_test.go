package catalog_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
)

// TestServiceLinkedRoles: every managed policy of service-linked roles is in the table once or said to be unknown, and what
// the managed policies say about roles' ARNs is what the table says.
func TestServiceLinkedRoles(t *testing.T) {
	named := regexp.MustCompile(`role/aws-service-role/([a-z0-9.-]+)/(AWSServiceRoleFor[A-Za-z0-9_.-]+)(\*?)`)
	said := make(map[string]map[string]bool) // service → role, and whether a star follows
	policies := make(map[string]int)
	for p := range catalog.ManagedPolicies().All() {
		if p.Path == catalog.ServiceLinkedPath {
			policies[p.ARN] = 0
		}
		for _, m := range named.FindAllStringSubmatch(p.Document(), -1) {
			if said[m[1]] == nil {
				said[m[1]] = make(map[string]bool)
			}
			said[m[1]][m[2]] = m[3] != "" || said[m[1]][m[2]]
		}
	}
	// What policies say and the services' documentation does not.
	differs := map[string]bool{"rum.amazonaws.com AWSServiceRoleForRealUserMonitoring": true}
	count, fromPolicies := 0, 0
	for r := range catalog.ServiceLinkedRoles() {
		count++
		if n, ok := policies[r.PolicyARN]; !ok || n > 0 {
			t.Errorf("%s: the policy %s is none of service-linked roles, or another role's", r.Service, r.PolicyARN)
		}
		policies[r.PolicyARN]++
		if !regexp.MustCompile(`^[a-z0-9.-]+\.amazonaws\.com$`).MatchString(r.Service) || !regexp.MustCompile(`^AWSServiceRoleFor[A-Za-z0-9_-]{1,47}$`).MatchString(r.Role) {
			t.Errorf("%s has the role %s", r.Service, r.Role)
		}
		_, exact := said[r.Service][r.Role]
		if exact != (r.Source == "policies") {
			t.Errorf("%s %s is said to be from %s; that policies name it is %v", r.Service, r.Role, r.Source, exact)
		}
		if exact {
			fromPolicies++
		}
		for role, more := range said[r.Service] {
			if role != r.Role && !differs[r.Service+" "+role] && !(more && strings.HasPrefix(r.Role, strings.TrimRight(role, "_"))) {
				t.Errorf("a policy names %s for %s, the table %s", role, r.Service, r.Role)
			}
		}
		doc, err := policy.Parse([]byte(r.TrustPolicy()))
		if err == nil {
			_, err = policy.Compile(policy.Trust, "trust", doc)
		}
		if err != nil {
			t.Errorf("the trust policy of %s: %v", r.Service, err)
		}
		if again, ok := catalog.ServiceLinkedRoleOf(r.Service); !ok || again != r {
			t.Errorf("%s is not found by its principal", r.Service)
		}
	}
	unknown := 0
	for name, reason := range catalog.UnknownServiceLinkedRoles() {
		unknown++
		arn := "arn:aws:iam::aws:policy" + catalog.ServiceLinkedPath + name
		if n, ok := policies[arn]; !ok || n > 0 || reason == "" {
			t.Errorf("%s is said to be unknown (%q), and is no policy of service-linked roles or has a role", name, reason)
		}
		policies[arn]++
	}
	for arn, n := range policies {
		if n != 1 {
			t.Errorf("%s is in the table %d times", arn, n)
		}
	}
	if count < 270 || fromPolicies < 80 {
		t.Errorf("%d roles, %d of them from policies, %d unknown", count, fromPolicies, unknown)
	}
}

func TestServiceLinkedRoleOfElastiCache(t *testing.T) {
	r, ok := catalog.ServiceLinkedRoleOf("elasticache.amazonaws.com")
	if !ok || r.Role != "AWSServiceRoleForElastiCache" || r.Path() != "/aws-service-role/elasticache.amazonaws.com/" || r.Suffix ||
		r.PolicyARN != "arn:aws:iam::aws:policy/aws-service-role/ElastiCacheServiceRolePolicy" {
		t.Errorf("%+v", r)
	}
	if r, ok := catalog.ServiceLinkedRoleOf("autoscaling.amazonaws.com"); !ok || r.RoleName("x") != "AWSServiceRoleForAutoScaling_x" || r.RoleName("") != r.Role {
		t.Errorf("%+v", r)
	}
	for _, none := range []string{"", "ElastiCache.amazonaws.com", "elasticache", "ec2.amazonaws.com"} {
		if r, ok := catalog.ServiceLinkedRoleOf(none); ok {
			t.Errorf("%q has the role %+v", none, r)
		}
	}
}
