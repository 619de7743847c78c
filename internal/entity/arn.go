package entity

// Partition is the one partition an installation speaks for.
const Partition = "aws"

// ARNs of entities (S4 section 33). path begins and ends with a slash.
func UserARN(account, path, name string) string   { return iamARN(account, "user", path, name) }
func GroupARN(account, path, name string) string  { return iamARN(account, "group", path, name) }
func RoleARN(account, path, name string) string   { return iamARN(account, "role", path, name) }
func PolicyARN(account, path, name string) string { return iamARN(account, "policy", path, name) }

// RootARN is the ARN of an account's root user, and of the account as a principal.
func RootARN(account string) string { return "arn:" + Partition + ":iam::" + account + ":root" }

// AssumedRoleARN is the ARN of a role session; it holds no path.
func AssumedRoleARN(account, role, session string) string {
	return "arn:" + Partition + ":sts::" + account + ":assumed-role/" + role + "/" + session
}

// FederatedUserARN is the ARN of a GetFederationToken session.
func FederatedUserARN(account, name string) string {
	return "arn:" + Partition + ":sts::" + account + ":federated-user/" + name
}

// AccessReportARN is the ARN of the access report about a part of the organization that an account manages.
func AccessReportARN(account, path string) string {
	return "arn:" + Partition + ":iam::" + account + ":access-report/" + path
}

func iamARN(account, kind, path, name string) string {
	return "arn:" + Partition + ":iam::" + account + ":" + kind + path + name
}

// ARN of u.
func (u *User) ARN() string { return UserARN(u.Account, u.Path, u.Name) }

// ARN of g.
func (g *Group) ARN() string { return GroupARN(g.Account, g.Path, g.Name) }

// ARN of r.
func (r *Role) ARN() string { return RoleARN(r.Account, r.Path, r.Name) }

// ARN of p.
func (p *Policy) ARN() string { return PolicyARN(p.Account, p.Path, p.Name) }
