package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/policy"
)

// Organizations is what reports need to know of organizations.
type Organizations interface {
	// Manages reports whether the account is the management account of an organization.
	Manages(account string) bool
	// Part returns the root, organizational unit or account at a path (o-…/r-…/ou-…/111122223333) of the organization that the
	// account manages.
	Part(manager, path string) (Part, bool)
	// Policy returns the service control policy with that ID of the organization that the account manages.
	Policy(manager, id string) (*policy.Policy, bool)
}

// Part is a part of an organization.
type Part struct {
	Accounts []Member // in it and in everything under it, each once
	// Control is the service control policies that apply to it, a level for each step from the organization's root down; nil where
	// none binds it: the management account.
	Control [][]*policy.Policy
}

// Member is an account with its path in the organization.
type Member struct{ Account, Path string }

// Organization is what a report about a part of an organization says: the services that its service control policies allow, in the
// order of prefixes.
type Organization struct {
	Details []Detail `json:",omitempty"`
}

// Detail is one service.
type Detail struct {
	Prefix string
	Name   string
	At     time.Time `json:",omitzero"` // zero: not in the tracking period; then the next three are zero too
	Region string    `json:",omitempty"`
	Path   string    `json:",omitempty"` // of the account that used it last
	Total  int       `json:",omitempty"` // how many accounts used it
}

// Organization returns an account's report about a part of its organization, and what it says once it is made; r is nil where there
// is none with that job ID, or not any more.
func (m *Maker) Organization(ctx context.Context, account, job string) (r *entity.AccessReport, o *Organization, err error) {
	o = new(Organization)
	if r, err = m.readReport(ctx, account, job, o); r == nil || r.Path == "" {
		return nil, nil, err
	}
	return r, o, nil
}

// Manages fails unless the account is the management account of an organization. AWS's API Reference has no error for it; the page
// on viewing last accessed information for Organizations asks for the management account's credentials.
func (m *Maker) Manages(account string) error {
	if m.cfg.Organizations == nil || !m.cfg.Organizations.Manages(account) {
		return &fault.Error{Kind: fault.Denied, Subject: account,
			Message: "Access to the organization's report is denied: account " + account + " is not the management account of an organization."}
	}
	return nil
}

// organizationReport makes a report about a part of an organization. Whose job it is was an organization's management account when it was
// asked for.
func (m *Maker) organizationReport(ctx context.Context, asked *entity.AccessReport) (any, *entity.Failure, error) {
	if m.Manages(asked.Account) != nil {
		return nil, gone("The organization"), nil
	}
	part, ok := m.cfg.Organizations.Part(asked.Account, asked.Path)
	if !ok {
		return nil, gone("The entity with path " + asked.Path), nil
	}
	control := part.Control
	if asked.Organization != "" {
		p, ok := m.cfg.Organizations.Policy(asked.Account, asked.Organization)
		if !ok {
			return nil, gone("The policy " + asked.Organization), nil
		}
		control = [][]*policy.Policy{{p}}
	}
	report := new(Organization)
	for svc := range m.cfg.Reference.Services() {
		if controlled(control, svc) {
			report.Details = append(report.Details, Detail{Prefix: svc.Prefix, Name: svc.Name})
		}
	}
	for _, member := range part.Accounts {
		if err := m.tally(ctx, report, member); err != nil {
			return nil, nil, err
		}
	}
	return report, nil, nil
}

// controlled reports whether service control policies leave at least one action of a service: each level allows it, and none denies
// it for every resource without a condition.
func controlled(levels [][]*policy.Policy, svc *catalog.Service) bool {
	for a := range svc.Actions() {
		one := slices.Values([]string{a.Name})
		left := !slices.ContainsFunc(levels, func(level []*policy.Policy) bool {
			allowed := slices.ContainsFunc(level, func(p *policy.Policy) bool { return p.Grants(svc.Prefix, one) })
			return !allowed || slices.ContainsFunc(level, func(p *policy.Policy) bool { return p.Withholds(svc.Prefix, a.Name) })
		})
		if left {
			return true
		}
	}
	return false
}

// tally adds what the principals of one account did, its root user included.
func (m *Maker) tally(ctx context.Context, report *Organization, member Member) error {
	all, err := m.cfg.Usage.Accesses(ctx, member.Account)
	if err != nil {
		return err
	}
	last := make(map[string]entity.Access)
	for _, of := range all {
		for prefix, use := range of {
			if use.At.After(last[prefix].At) {
				last[prefix] = use
			}
		}
	}
	for i := range report.Details {
		d := &report.Details[i]
		use, ok := last[d.Prefix]
		if !ok {
			continue
		}
		d.Total++
		if use.At.After(d.At) {
			d.At, d.Region, d.Path = use.At, use.Region, member.Path
		}
	}
	return nil
}

// The orders of a report, by AWS's names.
const (
	ByNamespace           = "SERVICE_NAMESPACE_ASCENDING"
	ByNamespaceDescending = "SERVICE_NAMESPACE_DESCENDING"
	ByTime                = "LAST_AUTHENTICATED_TIME_ASCENDING"
	ByTimeDescending      = "LAST_AUTHENTICATED_TIME_DESCENDING"
)

// Sorted returns the report's services in one of the four orders. Services that nobody used are the oldest; those of one time
// are in the order of prefixes.
func (o *Organization) Sorted(order string) []Detail {
	all := slices.Clone(o.Details)
	slices.SortStableFunc(all, func(a, b Detail) int {
		switch order {
		case ByNamespaceDescending:
			return cmp.Compare(b.Prefix, a.Prefix)
		case ByTime:
			return a.At.Compare(b.At)
		case ByTimeDescending:
			return b.At.Compare(a.At)
		}
		return cmp.Compare(a.Prefix, b.Prefix)
	})
	return all
}

// NotAccessed is how many of the report's services nobody used.
func (o *Organization) NotAccessed() (n int) {
	for i := range o.Details {
		if o.Details[i].At.IsZero() {
			n++
		}
	}
	return n
}
