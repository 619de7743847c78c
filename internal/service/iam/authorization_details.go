package iam

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/gate"
	"github.com/ostiary-iam/ostiary/internal/service/page"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/iam"
)

// detail is one entity of the listing; one of its members is set.
type detail struct {
	kind string // one of the constants below
	name string // folded
	user *snapshot.User
	grp  *snapshot.Group
	role *snapshot.Role
	own  *snapshot.Policy
	aws  *catalog.ManagedPolicy
}

// The kinds, by the values of the filter. The listing goes through them in this order.
const (
	detailUser  = "User"
	detailGroup = "Group"
	detailRole  = "Role"
	detailOwn   = "LocalManagedPolicy"
	detailAWS   = "AWSManagedPolicy"
)

var detailKinds = []string{detailUser, detailGroup, detailRole, detailOwn, detailAWS}

// key is the entity's place, for a marker.
func (d detail) key() string { return d.kind + "/" + d.name }

// GetAccountAuthorizationDetails lists every user, group, role and managed policy of the account with all that they grant.
// Of AWS's policies it shows those that the account uses.
func (s *service) GetAccountAuthorizationDetails(ctx context.Context, c *gate.Call, in *shape.GetAccountAuthorizationDetailsRequest) (*shape.GetAccountAuthorizationDetailsResponse, error) {
	account, err := home(c)
	if err != nil {
		return nil, err
	}
	after, err := detailPlace(in.Marker)
	if err != nil {
		return nil, err
	}
	listed, next := page.Take(s.details(account, in.Filter, after), in.MaxItems, nil, detail.key)
	out := &shape.GetAccountAuthorizationDetailsResponse{
		IsTruncated: truncated(next), Marker: next,
		UserDetailList: []shape.UserDetail{}, GroupDetailList: []shape.GroupDetail{}, RoleDetailList: []shape.RoleDetail{}, Policies: []shape.ManagedPolicyDetail{},
	}
	for _, d := range listed {
		switch {
		case d.user != nil:
			out.UserDetailList = append(out.UserDetailList, s.userDetail(account, *d.user))
		case d.grp != nil:
			out.GroupDetailList = append(out.GroupDetailList, shape.GroupDetail{
				Arn: new(d.grp.ARN()), AttachedManagedPolicies: attachedShapes(s.attached(account, d.grp.Attached)), CreateDate: &d.grp.CreatedAt,
				GroupId: &d.grp.ID, GroupName: &d.grp.Name, GroupPolicyList: inlineDetails(d.grp.Inline), Path: &d.grp.Path,
			})
		case d.role != nil:
			r, err := s.roleDetail(ctx, c, account, *d.role)
			if err != nil {
				return nil, err
			}
			out.RoleDetailList = append(out.RoleDetailList, *r)
		case d.own != nil:
			out.Policies = append(out.Policies, policyDetail(account, managedPolicy{own: d.own.Policy}))
		default:
			out.Policies = append(out.Policies, policyDetail(account, managedPolicy{aws: d.aws}))
		}
	}
	return out, nil
}

// detailPlace reads a marker: the kind and folded name of the last entity of the page before. No kind is the beginning.
func detailPlace(marker *string) (detail, error) {
	key, err := page.Place(marker)
	if err != nil || key == "" {
		return detail{}, err
	}
	kind, name, _ := strings.Cut(key, "/")
	if !slices.Contains(detailKinds, kind) || name == "" {
		return detail{}, invalidMarker()
	}
	return detail{kind: kind, name: name}, nil
}

// details yields what the filter asks for, after a place. No filter is everything.
func (s *service) details(account snapshot.Account, filter []string, after detail) iter.Seq[detail] {
	return func(yield func(detail) bool) {
		for i, kind := range detailKinds {
			from := ""
			if reached := slices.Index(detailKinds, after.kind); i < reached {
				continue
			} else if i == reached {
				from = after.name
			}
			if len(filter) > 0 && !slices.Contains(filter, kind) {
				continue
			}
			for d := range s.detailsOf(account, kind, from) {
				if !yield(d) {
					return
				}
			}
		}
	}
}

// detailsOf yields the entities of one kind that come after a folded name.
func (s *service) detailsOf(account snapshot.Account, kind, after string) iter.Seq[detail] {
	return func(yield func(detail) bool) {
		switch kind {
		case detailUser:
			for u := range account.Users(after) {
				if !yield(detail{kind: kind, name: entity.FoldName(u.Name), user: &u}) {
					return
				}
			}
		case detailGroup:
			for g := range account.Groups(after) {
				if !yield(detail{kind: kind, name: entity.FoldName(g.Name), grp: &g}) {
					return
				}
			}
		case detailRole:
			for r := range account.Roles(after) {
				if !yield(detail{kind: kind, name: entity.FoldName(r.Name), role: &r}) {
					return
				}
			}
		case detailOwn:
			for p := range account.Policies(after) {
				if !yield(detail{kind: kind, name: entity.FoldName(p.Name), own: &p}) {
					return
				}
			}
		case detailAWS:
			for p := range s.managed.After(after) {
				m := managedPolicy{aws: p}
				if used := m.attachments(account)+m.boundaryUses(account) > 0; used && !yield(detail{kind: kind, name: entity.FoldName(p.Name), aws: p}) {
					return
				}
			}
		}
	}
}

func (s *service) userDetail(account snapshot.Account, u snapshot.User) shape.UserDetail {
	groups := make([]string, 0, len(u.Groups))
	for _, id := range u.Groups {
		if g, ok := account.GroupByID(id); ok {
			groups = append(groups, g.Name)
		}
	}
	slices.Sort(groups)
	return shape.UserDetail{
		Arn: new(u.ARN()), AttachedManagedPolicies: attachedShapes(s.attached(account, u.Attached)), CreateDate: &u.CreatedAt, GroupList: groups,
		Path: &u.Path, PermissionsBoundary: s.shapeBoundary(account, u.Grants.Boundary), Tags: shapeTags(u.Tags), UserId: &u.ID,
		UserName: &u.Name, UserPolicyList: inlineDetails(u.Inline),
	}
}

func (s *service) roleDetail(ctx context.Context, c *gate.Call, account snapshot.Account, r snapshot.Role) (*shape.RoleDetail, error) {
	used, err := s.roleLastUsed(ctx, r)
	if err != nil {
		return nil, err
	}
	return &shape.RoleDetail{
		Arn: new(r.ARN()), AssumeRolePolicyDocument: new(escapeDocument(trustText(c.Snapshot, r.Role))),
		AttachedManagedPolicies: attachedShapes(s.attached(account, r.Attached)), CreateDate: &r.CreatedAt, InstanceProfileList: briefInstanceProfiles(account, profilesOf(account, r)),
		Path: &r.Path, PermissionsBoundary: s.shapeBoundary(account, r.Grants.Boundary), RoleId: &r.ID, RoleLastUsed: used, RoleName: &r.Name,
		RolePolicyList: inlineDetails(r.Inline), Tags: shapeTags(r.Tags),
	}, nil
}

// inlineDetails is inline policies with their documents, escaped as everywhere in the API.
func inlineDetails(all []entity.InlinePolicy) []shape.PolicyDetail {
	out := make([]shape.PolicyDetail, 0, len(all))
	for i := range all {
		out = append(out, shape.PolicyDetail{PolicyName: &all[i].Name, PolicyDocument: new(escapeDocument(all[i].Document))})
	}
	return out
}

// policyDetail is a managed policy with all its versions that are known.
func policyDetail(account snapshot.Account, p managedPolicy) shape.ManagedPolicyDetail {
	brief := p.shape(account)
	out := shape.ManagedPolicyDetail{
		Arn: brief.Arn, AttachmentCount: brief.AttachmentCount, CreateDate: brief.CreateDate, DefaultVersionId: brief.DefaultVersionId,
		IsAttachable: brief.IsAttachable, Path: brief.Path, PermissionsBoundaryUsageCount: brief.PermissionsBoundaryUsageCount,
		PolicyId: brief.PolicyId, PolicyName: brief.PolicyName, PolicyVersionList: p.versions(), UpdateDate: brief.UpdateDate,
	}
	if p.own != nil && p.own.Description != "" {
		out.Description = &p.own.Description
	}
	return out
}
