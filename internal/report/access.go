package report

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/policy"
)

// Accessed is what a report of last uses says: of each service that the policies grant, who used it last, and of each entity that
// could have used them, when it did.
type Accessed struct {
	Services []Service `json:",omitempty"` // in the order of prefixes
	Entities []Entity  `json:",omitempty"` // in the order of kinds and names
}

// Service is a service of which at least one action is granted.
type Service struct {
	Prefix string
	Name   string
	Last   *Attempt `json:",omitempty"` // nil: not in the tracking period
	Total  int      `json:",omitempty"` // how many of the entities tried
	// Actions are those granted ones whose last use is tracked, by name; only in reports with actions.
	Actions []Action `json:",omitempty"`
}

// Action is an action with its last use.
type Action struct {
	Name string
	Last *Attempt `json:",omitempty"` // nil: not in the tracking period
}

// Attempt is the last use of something.
type Attempt struct {
	At     time.Time
	Region string
	ARN    string // of the user or role
}

// Entity is a user or role that could have used what the report is about.
type Entity struct {
	Kind     entity.Kind
	ID       string
	ARN      string
	Name     string
	Path     string
	Services map[string]time.Time `json:",omitempty"` // last use by prefix, of services that the report lists
}

// Access returns an account's report of last uses, and what it says once it is made; r is nil where there is none with that job
// ID, or not any more.
func (m *Maker) Access(ctx context.Context, account, job string) (r *entity.AccessReport, a *Accessed, err error) {
	a = new(Accessed)
	if r, err = m.readReport(ctx, account, job, a); r == nil || r.Path != "" {
		return nil, nil, err
	}
	return r, a, nil
}

// readReport reads a report and, if it is made, its text.
func (m *Maker) readReport(ctx context.Context, account, job string, into any) (r *entity.AccessReport, err error) {
	var body []byte
	err = m.cfg.Store.View(ctx, func(rd store.Reader) error {
		if r, err = read[entity.AccessReport](rd, entity.AccessReportKey(account, job)); err != nil || r == nil || r.Text.Parts == 0 {
			return err
		}
		body, err = text(rd, account, r.Text)
		return err
	})
	if err == nil && r != nil && len(body) > 0 {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return nil, fault.Wrap(err, "reading an access report")
	}
	if r != nil && m.outlived(r) {
		return nil, nil
	}
	return r, nil
}

// makeAccess makes a report of last uses or of the organization.
func (m *Maker) makeAccess(ctx context.Context, account, job string, at store.Revision) error {
	s, err := m.cfg.Snapshots.Wait(ctx, at)
	if err != nil {
		return err
	}
	var asked *entity.AccessReport
	err = m.cfg.Store.View(ctx, func(rd store.Reader) (err error) {
		asked, err = read[entity.AccessReport](rd, entity.AccessReportKey(account, job))
		return err
	})
	if err != nil || asked == nil || !asked.EndedAt.IsZero() {
		return err
	}
	kind, content, failure := "access", any(nil), (*entity.Failure)(nil)
	if asked.Path != "" {
		kind = "organization"
		content, failure, err = m.organizationReport(ctx, asked)
	} else {
		content, failure, err = m.accessReport(ctx, s, asked)
	}
	if err != nil {
		return err
	}
	var body []byte
	if failure == nil {
		if body, err = json.Marshal(content); err != nil {
			return err
		}
	}
	ended, err := m.end(ctx, account, body, func(tx store.Txn, open *entity.OpenJobs, t entity.Text) (*entity.Text, error) {
		r, err := read[entity.AccessReport](tx, entity.AccessReportKey(account, job))
		if err != nil || r == nil || !r.EndedAt.IsZero() {
			return nil, err
		}
		r.Text, r.Failure, r.EndedAt = t, failure, m.cfg.Now().UTC().Truncate(time.Second)
		open.Close(job)
		tx.Put(entity.AccessReportKey(account, job), entity.Encode(r))
		return &entity.Text{}, nil
	})
	if ended {
		m.cfg.Meter.ReportMade(kind, failure == nil)
	}
	return err
}

// gone is how a report about something ends that was deleted in the meantime.
func gone(what string) *entity.Failure {
	return &entity.Failure{Code: "NoSuchEntity", Message: fmt.Sprintf("%s does not exist any more.", what)}
}

// accessReport makes a report about one user, group, role or managed policy, from its policies as they are now (S3-184).
func (m *Maker) accessReport(ctx context.Context, s *snapshot.Snapshot, asked *entity.AccessReport) (any, *entity.Failure, error) {
	a, ok := s.Account(asked.Account)
	if !ok {
		return nil, gone(asked.ARN), nil
	}
	entities, policies, ok, err := m.subject(a, asked)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, gone(asked.ARN), nil
	}
	report := &Accessed{Entities: entities}
	if len(entities) == 0 && asked.Kind == entity.KindPolicy {
		return report, nil, nil // nobody could have used it (S3-192)
	}
	ids := make([]string, len(entities))
	for i := range entities {
		ids[i] = entities[i].ID
	}
	accesses := make(map[string]map[string]entity.Access)
	if len(ids) > 0 { // no principals would be all of them
		if accesses, err = m.cfg.Usage.Accesses(ctx, a.ID, ids...); err != nil {
			return nil, nil, err
		}
	}
	for svc := range m.cfg.Reference.Services() {
		if grants(policies, svc) {
			report.Services = append(report.Services, m.service(svc, policies, entities, accesses, asked.Actions))
		}
	}
	return report, nil, nil
}

// subject finds what a report is about: the entities that could have used the policies, and these. ok is false where it is gone.
func (m *Maker) subject(a snapshot.Account, asked *entity.AccessReport) (entities []Entity, policies []*policy.Policy, ok bool, err error) {
	switch asked.Kind {
	case entity.KindUser:
		u, ok := a.UserByID(asked.Target)
		if !ok {
			return nil, nil, false, nil
		}
		for _, p := range u.Identity() {
			if snapshot.Own(p) {
				policies = append(policies, p)
			}
		}
		return []Entity{userEntity(u)}, policies, true, nil
	case entity.KindRole:
		r, ok := a.RoleByID(asked.Target)
		if !ok {
			return nil, nil, false, nil
		}
		return []Entity{roleEntity(r)}, r.Identity(), true, nil
	case entity.KindGroup:
		g, ok := a.GroupByID(asked.Target)
		if !ok {
			return nil, nil, false, nil
		}
		for u := range a.Members(g.ID, "") {
			entities = append(entities, userEntity(u))
		}
		return entities, g.Identity(), true, nil
	case entity.KindPolicy:
		p, ok, err := m.compiled(a, asked.Target)
		if err != nil || !ok {
			return nil, nil, false, err
		}
		return holders(a, asked.Target), []*policy.Policy{p}, true, nil
	}
	return nil, nil, false, fmt.Errorf("report: a job about a %s", asked.Kind)
}

// compiled is a managed policy, the account's or AWS's, with its default version.
func (m *Maker) compiled(a snapshot.Account, id string) (p *policy.Policy, ok bool, err error) {
	var name, document string
	if aws, ok := m.cfg.Managed.ByID(id); ok {
		name, document = aws.ARN, aws.Document()
	} else if own, ok := a.PolicyByID(id); ok {
		name, document = own.ARN(), own.DefaultDocument()
	} else {
		return nil, false, nil
	}
	d, err := policy.Parse([]byte(document))
	if err == nil {
		p, err = policy.Compile(policy.Identity, name, d)
	}
	return p, err == nil, fault.Wrap(err, "compiling "+name)
}

// holders are the users and roles that have a managed policy, users also through their groups: each once, users by name, then
// roles.
func holders(a snapshot.Account, policyID string) []Entity {
	users, roles := make(map[string]snapshot.User), []Entity(nil)
	for use := range a.Attached(policyID, snapshot.UseMark{}) {
		switch use.Kind {
		case entity.KindUser:
			if u, ok := a.UserByID(use.ID); ok {
				users[u.ID] = u
			}
		case entity.KindGroup:
			for u := range a.Members(use.ID, "") {
				users[u.ID] = u
			}
		case entity.KindRole:
			if r, ok := a.RoleByID(use.ID); ok {
				roles = append(roles, roleEntity(r))
			}
		}
	}
	all := make([]Entity, 0, len(users)+len(roles))
	for _, u := range users {
		all = append(all, userEntity(u))
	}
	slices.SortFunc(all, func(a, b Entity) int { return strings.Compare(entity.FoldName(a.Name), entity.FoldName(b.Name)) })
	return append(all, roles...)
}

func userEntity(u snapshot.User) Entity {
	return Entity{Kind: entity.KindUser, ID: u.ID, ARN: u.ARN(), Name: u.Name, Path: u.Path}
}

func roleEntity(r snapshot.Role) Entity {
	return Entity{Kind: entity.KindRole, ID: r.ID, ARN: r.ARN(), Name: r.Name, Path: r.Path}
}

// grants reports whether one of the policies grants an action of a service (S3-183).
func grants(policies []*policy.Policy, svc *catalog.Service) bool {
	return slices.ContainsFunc(policies, func(p *policy.Policy) bool { return p.Grants(svc.Prefix, svc.ActionNames()) })
}

// service sums up one service over the entities, and tells each of them when it used it.
func (m *Maker) service(svc *catalog.Service, policies []*policy.Policy, entities []Entity, accesses map[string]map[string]entity.Access, actions bool) Service {
	s := Service{Prefix: svc.Prefix, Name: svc.Name}
	last := make(map[string]*Attempt)
	for i := range entities {
		e := &entities[i]
		use, ok := accesses[e.ID][svc.Prefix]
		if !ok {
			continue
		}
		s.Total++
		s.Last = later(s.Last, use.At, use.Region, e.ARN)
		if e.Services == nil {
			e.Services = make(map[string]time.Time)
		}
		e.Services[svc.Prefix] = use.At
		for name, at := range use.Actions {
			last[name] = later(last[name], at.At, at.Region, e.ARN)
		}
	}
	if !actions {
		return s
	}
	for _, name := range m.cfg.Tracked(svc.Prefix) {
		one := slices.Values([]string{name})
		if slices.ContainsFunc(policies, func(p *policy.Policy) bool { return p.Grants(svc.Prefix, one) }) {
			s.Actions = append(s.Actions, Action{Name: name, Last: last[name]})
		}
	}
	return s
}

// later is the later of two uses; of two at once the one known already.
func later(known *Attempt, at time.Time, region, arn string) *Attempt {
	if known != nil && !at.After(known.At) {
		return known
	}
	return &Attempt{At: at, Region: region, ARN: arn}
}

// Recent returns the report's entities as they used a service: the latest use first, then those that did not, by kind and name.
func (a *Accessed) Recent(prefix string) []Entity {
	all := slices.Clone(a.Entities)
	slices.SortStableFunc(all, func(x, y Entity) int { return y.Services[prefix].Compare(x.Services[prefix]) })
	return all
}

// Lists reports whether the report has the service.
func (a *Accessed) Lists(prefix string) bool {
	_, found := slices.BinarySearchFunc(a.Services, prefix, func(s Service, p string) int { return cmp.Compare(s.Prefix, p) })
	return found
}
