package acceptance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
)

// attributes are what the provider keeps of a resource in its state, by the names of Terraform's arguments.
type attributes map[string]string

// errNotListed is what a read of a resource finds that is an entry in a list, when the entry is gone.
var errNotListed = errors.New("not in the list")

// resource is one kind of resource of Terraform's AWS provider.
type resource struct {
	create  func() error
	read    func() (attributes, error)
	created attributes
	update  func() error // in place; nil for a resource that is made anew instead
	updated attributes
	delete  func() error
	again   string // what a second delete answers; empty where it succeeds
}

// resourcesOf are the kinds that there are. Each finds the user target, the group crew, the role worker and the policy plan, and
// leaves them as they were.
func resourcesOf(t *testing.T, c *caller, account string) map[string]resource {
	all := make(map[string]resource)
	for _, some := range []map[string]resource{
		entityResources(t, c, account), grantResources(t, c, account), credentialResources(t, c), mfaResources(t, c, account),
		certificateResources(t, c, account), providerResources(t, c, account), accountResources(t, c),
	} {
		for name, r := range some {
			all[name] = r
		}
	}
	return all
}

// TestLifecycles: create, read, update in place, read, delete, and a read that finds nothing, for every kind of resource; twice, so
// that nothing of the first life stands in the way of the second.
func TestLifecycles(t *testing.T) {
	c, srv := newCloud(t)
	a := srv.Account(t)
	by := c.admin(t, a)
	ctx := t.Context()
	must(by.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("target")}))(t)
	must(by.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: aws.String("crew")}))(t)
	by.role(t, "worker", trusting(a.ARN("root")), "")
	must(by.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("plan"), PolicyDocument: aws.String(statement("Allow", "s3:Get*", "*"))}))(t)
	for name, r := range resourcesOf(t, by, a.AccountID) {
		t.Run(name, func(t *testing.T) {
			for life := range 2 {
				if _, err := r.read(); !gone(err) {
					t.Fatalf("life %d: before it is made a read answers %v", life, err)
				}
				if err := r.create(); err != nil {
					t.Fatalf("life %d: create: %v", life, err)
				}
				expect(t, fmt.Sprintf("life %d: created", life), r.read, r.created)
				if r.update != nil {
					if err := r.update(); err != nil {
						t.Fatalf("life %d: update: %v", life, err)
					}
					expect(t, fmt.Sprintf("life %d: updated", life), r.read, r.updated)
				}
				if err := r.delete(); err != nil {
					t.Fatalf("life %d: delete: %v", life, err)
				}
				if got, err := r.read(); !gone(err) {
					t.Fatalf("life %d: after its end a read answers %v, %v", life, got, err)
				}
				if got := code(r.delete()); got != r.again {
					t.Errorf("life %d: a second delete answers %q, want %q", life, got, r.again)
				}
			}
		})
	}
}

// gone says of a read's error that the resource is not there.
func gone(err error) bool { return errors.Is(err, errNotListed) || code(err) == "NoSuchEntity" }

func expect(t *testing.T, what string, read func() (attributes, error), want attributes) {
	t.Helper()
	got, err := read()
	if err != nil {
		t.Fatalf("%s: read: %v", what, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// text flattens a value of the API into one of attributes: nil is empty.
func text(v any) string {
	switch v := v.(type) {
	case *string:
		return aws.ToString(v)
	case string:
		return v
	case []types.Tag:
		m := make(map[string]string)
		for _, tag := range v {
			m[*tag.Key] = *tag.Value
		}
		v2, _ := json.Marshal(m) // with its keys in order
		return string(v2)
	case *int32:
		if v == nil {
			return ""
		}
		return fmt.Sprint(*v)
	default:
		return fmt.Sprint(v)
	}
}

// plainOf decodes a document of the API; one that is none shows as it is.
func plainOf(t *testing.T, document *string) string {
	if document == nil {
		return ""
	}
	return plain(t, document)
}

func entityResources(t *testing.T, c *caller, account string) map[string]resource {
	ctx, name, moved := t.Context(), aws.String("fresh"), aws.String("/b/")
	arn := func(kind string) string { return "arn:aws:iam::" + account + ":" + kind }
	return map[string]resource{
		"aws_iam_user": {
			create: func() error {
				_, err := c.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: name, Path: aws.String("/a/"), Tags: tags("k", "1"), PermissionsBoundary: aws.String(powerUserAccess)})
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.GetUser(ctx, &iam.GetUserInput{UserName: name})
				if err != nil {
					return nil, err
				}
				got := attributes{"arn": text(out.User.Arn), "path": text(out.User.Path), "tags": text(out.User.Tags), "boundary": ""}
				if b := out.User.PermissionsBoundary; b != nil {
					got["boundary"] = *b.PermissionsBoundaryArn
				}
				return got, nil
			},
			created: attributes{"arn": arn("user/a/fresh"), "path": "/a/", "tags": `{"k":"1"}`, "boundary": powerUserAccess},
			update: func() error {
				_, err := c.iam.UpdateUser(ctx, &iam.UpdateUserInput{UserName: name, NewPath: moved})
				if err == nil {
					_, err = c.iam.UntagUser(ctx, &iam.UntagUserInput{UserName: name, TagKeys: []string{"k"}})
				}
				if err == nil {
					_, err = c.iam.TagUser(ctx, &iam.TagUserInput{UserName: name, Tags: tags("l", "2")})
				}
				if err == nil {
					_, err = c.iam.DeleteUserPermissionsBoundary(ctx, &iam.DeleteUserPermissionsBoundaryInput{UserName: name})
				}
				return err
			},
			updated: attributes{"arn": arn("user/b/fresh"), "path": "/b/", "tags": `{"l":"2"}`, "boundary": ""},
			delete:  func() error { _, err := c.iam.DeleteUser(ctx, &iam.DeleteUserInput{UserName: name}); return err },
			again:   "NoSuchEntity",
		},
		"aws_iam_group": {
			create: func() error { _, err := c.iam.CreateGroup(ctx, &iam.CreateGroupInput{GroupName: name}); return err },
			read: func() (attributes, error) {
				out, err := c.iam.GetGroup(ctx, &iam.GetGroupInput{GroupName: name})
				if err != nil {
					return nil, err
				}
				return attributes{"arn": text(out.Group.Arn), "path": text(out.Group.Path)}, nil
			},
			created: attributes{"arn": arn("group/fresh"), "path": "/"},
			update: func() error {
				_, err := c.iam.UpdateGroup(ctx, &iam.UpdateGroupInput{GroupName: name, NewPath: moved})
				return err
			},
			updated: attributes{"arn": arn("group/b/fresh"), "path": "/b/"},
			delete:  func() error { _, err := c.iam.DeleteGroup(ctx, &iam.DeleteGroupInput{GroupName: name}); return err },
			again:   "NoSuchEntity",
		},
		"aws_iam_role": {
			create: func() error {
				_, err := c.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(trusting(arn("root"))), Tags: tags("k", "1")})
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
				if err != nil {
					return nil, err
				}
				r := out.Role
				return attributes{"arn": text(r.Arn), "assume_role_policy": plainOf(t, r.AssumeRolePolicyDocument), "description": text(r.Description),
					"max_session_duration": text(r.MaxSessionDuration), "tags": text(r.Tags)}, nil
			},
			created: attributes{"arn": arn("role/fresh"), "assume_role_policy": trusting(arn("root")), "description": "", "max_session_duration": "3600", "tags": `{"k":"1"}`},
			update: func() error {
				_, err := c.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, Description: aws.String("d"), MaxSessionDuration: aws.Int32(7200)})
				if err == nil {
					_, err = c.iam.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: aws.String(trusting(arn("user/target")))})
				}
				if err == nil {
					_, err = c.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: tags("k", "2")})
				}
				return err
			},
			updated: attributes{"arn": arn("role/fresh"), "assume_role_policy": trusting(arn("user/target")), "description": "d", "max_session_duration": "7200", "tags": `{"k":"2"}`},
			delete:  func() error { _, err := c.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); return err },
			again:   "NoSuchEntity",
		},
		"aws_iam_policy": policyResource(t, c, arn("policy/fresh")),
		"aws_iam_instance_profile": {
			create: func() error {
				_, err := c.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: name, Tags: tags("k", "1")})
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: name})
				if err != nil {
					return nil, err
				}
				p := out.InstanceProfile
				got := attributes{"arn": text(p.Arn), "tags": text(p.Tags), "role": ""}
				for _, r := range p.Roles {
					got["role"] += *r.RoleName
				}
				return got, nil
			},
			created: attributes{"arn": arn("instance-profile/fresh"), "tags": `{"k":"1"}`, "role": ""},
			update: func() error {
				_, err := c.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: aws.String("worker")})
				return err
			},
			updated: attributes{"arn": arn("instance-profile/fresh"), "tags": `{"k":"1"}`, "role": "worker"},
			delete: func() error {
				_, err := c.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: aws.String("worker")})
				if err == nil {
					_, err = c.iam.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: name})
				}
				return err
			},
			again: "NoSuchEntity",
		},
		"aws_iam_service_linked_role": linkedRoleResource(t, c, arn("role/aws-service-role/elasticache.amazonaws.com/AWSServiceRoleForElastiCache")),
	}
}

// policyResource is updated by a new default version, as the provider does it.
func policyResource(t *testing.T, c *caller, arn string) resource {
	ctx, first, second := t.Context(), statement("Allow", "s3:Get*", "*"), statement("Allow", "s3:*", "*")
	return resource{
		create: func() error {
			_, err := c.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("fresh"), PolicyDocument: &first, Description: aws.String("d")})
			return err
		},
		read: func() (attributes, error) {
			out, err := c.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
			if err != nil {
				return nil, err
			}
			v, err := c.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: out.Policy.DefaultVersionId})
			if err != nil {
				return nil, err
			}
			return attributes{"policy": plainOf(t, v.PolicyVersion.Document), "description": text(out.Policy.Description), "version": text(out.Policy.DefaultVersionId)}, nil
		},
		created: attributes{"policy": first, "description": "d", "version": "v1"},
		update: func() error {
			_, err := c.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &second, SetAsDefault: true})
			return err
		},
		updated: attributes{"policy": second, "description": "d", "version": "v2"},
		delete: func() error {
			_, err := c.iam.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &arn, VersionId: aws.String("v1")})
			if err == nil {
				_, err = c.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: &arn})
			}
			return err
		},
		again: "NoSuchEntity",
	}
}

// linkedRoleResource is deleted by a task, which the provider waits for.
func linkedRoleResource(t *testing.T, c *caller, arn string) resource {
	ctx, name := t.Context(), aws.String(arn[strings.LastIndex(arn, "/")+1:])
	return resource{
		create: func() error {
			_, err := c.iam.CreateServiceLinkedRole(ctx, &iam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String("elasticache.amazonaws.com"), Description: aws.String("one")})
			return err
		},
		read: func() (attributes, error) {
			out, err := c.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
			if err != nil {
				return nil, err
			}
			return attributes{"arn": text(out.Role.Arn), "description": text(out.Role.Description)}, nil
		},
		created: attributes{"arn": arn, "description": "one"},
		update: func() error {
			_, err := c.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, Description: aws.String("two")})
			return err
		},
		updated: attributes{"arn": arn, "description": "two"},
		delete: func() error {
			task, err := c.iam.DeleteServiceLinkedRole(ctx, &iam.DeleteServiceLinkedRoleInput{RoleName: name})
			for err == nil {
				var s *iam.GetServiceLinkedRoleDeletionStatusOutput
				if s, err = c.iam.GetServiceLinkedRoleDeletionStatus(ctx, &iam.GetServiceLinkedRoleDeletionStatusInput{DeletionTaskId: task.DeletionTaskId}); err != nil {
					break
				}
				switch s.Status {
				case types.DeletionTaskStatusTypeSucceeded:
					return nil
				case types.DeletionTaskStatusTypeFailed:
					return fmt.Errorf("the deletion failed: %+v", s.Reason)
				}
			}
			return err
		},
		again: "NoSuchEntity",
	}
}

// grantResources are policies on users, groups and roles, boundaries and memberships.
func grantResources(t *testing.T, c *caller, account string) map[string]resource {
	ctx, own, plan := t.Context(), aws.String("own"), aws.String("arn:aws:iam::"+account+":policy/plan")
	user, group, role := aws.String("target"), aws.String("crew"), aws.String("worker")
	one, two := statement("Allow", "s3:Get*", "*"), statement("Deny", "s3:Put*", "*")
	inline := func(put func(document *string) error, get func() (*string, error), remove func() error) resource {
		return resource{
			create: func() error { return put(&one) },
			read: func() (attributes, error) {
				document, err := get()
				if err != nil {
					return nil, err
				}
				return attributes{"policy": plainOf(t, document)}, nil
			},
			created: attributes{"policy": one}, update: func() error { return put(&two) }, updated: attributes{"policy": two}, delete: remove, again: "NoSuchEntity",
		}
	}
	attached := func(attach, detach func() error, list func() ([]types.AttachedPolicy, error)) resource {
		return resource{
			create: attach, delete: detach, again: "NoSuchEntity", created: attributes{"policy_arn": *plan},
			read: func() (attributes, error) {
				all, err := list()
				for _, p := range all {
					if err == nil && *p.PolicyArn == *plan {
						return attributes{"policy_arn": *p.PolicyArn}, nil
					}
				}
				return nil, errors.Join(err, errNotListed)
			},
		}
	}
	return map[string]resource{
		"aws_iam_user_policy": inline(
			func(d *string) error {
				_, err := c.iam.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: user, PolicyName: own, PolicyDocument: d})
				return err
			}, func() (*string, error) {
				out, err := c.iam.GetUserPolicy(ctx, &iam.GetUserPolicyInput{UserName: user, PolicyName: own})
				if err != nil {
					return nil, err
				}
				return out.PolicyDocument, nil
			}, func() error {
				_, err := c.iam.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: user, PolicyName: own})
				return err
			}),
		"aws_iam_group_policy": inline(
			func(d *string) error {
				_, err := c.iam.PutGroupPolicy(ctx, &iam.PutGroupPolicyInput{GroupName: group, PolicyName: own, PolicyDocument: d})
				return err
			}, func() (*string, error) {
				out, err := c.iam.GetGroupPolicy(ctx, &iam.GetGroupPolicyInput{GroupName: group, PolicyName: own})
				if err != nil {
					return nil, err
				}
				return out.PolicyDocument, nil
			}, func() error {
				_, err := c.iam.DeleteGroupPolicy(ctx, &iam.DeleteGroupPolicyInput{GroupName: group, PolicyName: own})
				return err
			}),
		"aws_iam_role_policy": inline(
			func(d *string) error {
				_, err := c.iam.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: own, PolicyDocument: d})
				return err
			}, func() (*string, error) {
				out, err := c.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: role, PolicyName: own})
				if err != nil {
					return nil, err
				}
				return out.PolicyDocument, nil
			}, func() error {
				_, err := c.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: role, PolicyName: own})
				return err
			}),
		"aws_iam_user_policy_attachment": attached(
			func() error {
				_, err := c.iam.AttachUserPolicy(ctx, &iam.AttachUserPolicyInput{UserName: user, PolicyArn: plan})
				return err
			}, func() error {
				_, err := c.iam.DetachUserPolicy(ctx, &iam.DetachUserPolicyInput{UserName: user, PolicyArn: plan})
				return err
			}, func() ([]types.AttachedPolicy, error) {
				out, err := c.iam.ListAttachedUserPolicies(ctx, &iam.ListAttachedUserPoliciesInput{UserName: user})
				if err != nil {
					return nil, err
				}
				return out.AttachedPolicies, nil
			}),
		"aws_iam_group_policy_attachment": attached(
			func() error {
				_, err := c.iam.AttachGroupPolicy(ctx, &iam.AttachGroupPolicyInput{GroupName: group, PolicyArn: plan})
				return err
			}, func() error {
				_, err := c.iam.DetachGroupPolicy(ctx, &iam.DetachGroupPolicyInput{GroupName: group, PolicyArn: plan})
				return err
			}, func() ([]types.AttachedPolicy, error) {
				out, err := c.iam.ListAttachedGroupPolicies(ctx, &iam.ListAttachedGroupPoliciesInput{GroupName: group})
				if err != nil {
					return nil, err
				}
				return out.AttachedPolicies, nil
			}),
		"aws_iam_role_policy_attachment": attached(
			func() error {
				_, err := c.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: plan})
				return err
			}, func() error {
				_, err := c.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: plan})
				return err
			}, func() ([]types.AttachedPolicy, error) {
				out, err := c.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: role})
				if err != nil {
					return nil, err
				}
				return out.AttachedPolicies, nil
			}),
		"aws_iam_user_group_membership": {
			create: func() error {
				_, err := c.iam.AddUserToGroup(ctx, &iam.AddUserToGroupInput{GroupName: group, UserName: user})
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.ListGroupsForUser(ctx, &iam.ListGroupsForUserInput{UserName: user})
				if err != nil {
					return nil, err
				}
				for _, g := range out.Groups {
					return attributes{"group": *g.GroupName}, nil
				}
				return nil, errNotListed
			},
			created: attributes{"group": "crew"},
			delete: func() error {
				_, err := c.iam.RemoveUserFromGroup(ctx, &iam.RemoveUserFromGroupInput{GroupName: group, UserName: user})
				return err
			},
		},
	}
}
