package catalog

import (
	_ "embed"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
)

// ServiceLinkedRole is what AWS fixes about the role that a service links to itself. Values are shared: callers must not
// change them.
type ServiceLinkedRole struct {
	Service   string // the service principal: elasticache.amazonaws.com
	Role      string // the role's name, without a custom suffix: AWSServiceRoleForElastiCache
	PolicyARN string // of the one managed policy that the role carries
	// Suffix says that the service allows a custom suffix, and so several roles. Where AWS does not document it, it is false.
	Suffix bool
	// Source says where the entry is from: "policies", AWS managed policies name the role's ARN, or "recalled", not
	// looked up for this table.
	Source string
}

// ServiceLinkedPath is the path of AWS managed policies that only service-linked roles carry, and begins the paths of these
// roles.
const ServiceLinkedPath = "/aws-service-role/"

// Path is the path of the role: /aws-service-role/elasticache.amazonaws.com/.
func (r *ServiceLinkedRole) Path() string { return ServiceLinkedPath + r.Service + "/" }

// RoleName is the name of the role with a custom suffix, which may be empty.
func (r *ServiceLinkedRole) RoleName(suffix string) string {
	if suffix == "" {
		return r.Role
	}
	return r.Role + "_" + suffix
}

// TrustPolicy is the role's trust policy: its service alone may assume it.
func (r *ServiceLinkedRole) TrustPolicy() string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + r.Service + `"},"Action":"sts:AssumeRole"}]}`
}

// ServiceLinkedRoleOf returns the role of a service, by its principal; principals are compared with case. There is none for
// services that have no service-linked role, and for the few whose role is not known: see [UnknownServiceLinkedRoles].
func ServiceLinkedRoleOf(service string) (*ServiceLinkedRole, bool) {
	r, ok := serviceLinked().byService[service]
	return r, ok
}

// ServiceLinkedRoles yields all service-linked roles in the order of their service principals.
func ServiceLinkedRoles() iter.Seq[*ServiceLinkedRole] {
	all := serviceLinked().byService
	return func(yield func(*ServiceLinkedRole) bool) {
		for _, service := range slices.Sorted(maps.Keys(all)) {
			if !yield(all[service]) {
				return
			}
		}
	}
}

// UnknownServiceLinkedRoles yields the names of AWS managed policies that belong to service-linked roles of which the catalog
// does not know what service and name they have, each with the reason.
func UnknownServiceLinkedRoles() iter.Seq2[string, string] { return maps.All(serviceLinked().unknown) }

//go:embed servicelinked.txt
var serviceLinkedFile string

type serviceLinkedTable struct {
	byService map[string]*ServiceLinkedRole
	unknown   map[string]string // by policy name
}

var serviceLinked = sync.OnceValue(func() *serviceLinkedTable {
	t, err := readServiceLinked(serviceLinkedFile)
	if err != nil {
		panic("catalog: the embedded service-linked roles are damaged: " + err.Error())
	}
	return t
})

// readServiceLinked reads servicelinked.txt, which draws its form.
func readServiceLinked(text string) (*serviceLinkedTable, error) {
	t := &serviceLinkedTable{byService: map[string]*ServiceLinkedRole{}, unknown: map[string]string{}}
	n, last := 0, ""
	for line := range strings.Lines(text) {
		n++
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case strings.HasPrefix(line, "#"):
			continue
		case f[0] == "?" && len(f) == 3 && t.unknown[f[1]] == "" && f[2] != "":
			t.unknown[f[1]] = f[2]
			continue
		case len(f) != 5 || f[0] <= last || f[3] != "suffix" && f[3] != "-" || f[4] != "policies" && f[4] != "recalled":
			return nil, fmt.Errorf("line %d: %q", n, line)
		}
		last = f[0]
		t.byService[f[0]] = &ServiceLinkedRole{
			Service: f[0], Role: f[1], PolicyARN: "arn:aws:iam::aws:policy" + ServiceLinkedPath + f[2], Suffix: f[3] == "suffix", Source: f[4],
		}
	}
	return t, nil
}
