package policy

import (
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
)

// principalForm is what an entry of a Principal element names.
type principalForm uint8

const (
	formNobody principalForm = iota
	formEveryone
	formAccount   // value: the account, partition: of the root ARN, or empty
	formUser      // value: ARN
	formUserID    // value: AIDA…
	formRole      // value: ARN
	formRoleID    // value: AROA…
	formSession   // value: ARN of a role session or federated user
	formSessionID // value: AROA…:session
	formService   // value: ec2.amazonaws.com
	formFederated // value: provider ARN or host
)

type principalMatcher struct {
	form      principalForm
	value     string
	partition string
}

// grant is how strongly a statement names the caller, which decides what else an Allow in a resource policy needs
// (S4-M7 to S4-M12).
type grant uint8

const (
	grantNone    grant = iota
	grantAccount       // the caller's account: delegates, the caller's own policies must allow
	grantRole          // the role of the session, or the user behind a federated session: boundary and session policies must allow
	grantDirect        // the caller itself, or everyone: nothing else is needed in the same account
)

func compilePrincipal(ref PrincipalRef) principalMatcher {
	v := strings.Clone(ref.Value)
	switch {
	case v == "*":
		return principalMatcher{form: formEveryone}
	case ref.Type == "Service":
		return principalMatcher{form: formService, value: v}
	case ref.Type == "Federated":
		return principalMatcher{form: formFederated, value: v}
	case ref.Type != "AWS":
		return principalMatcher{} // a canonical user is known to S3 alone
	case accountID(v):
		return principalMatcher{form: formAccount, value: v}
	case strings.HasPrefix(v, "AIDA"):
		return principalMatcher{form: formUserID, value: v}
	case roleSession(v):
		return principalMatcher{form: formSessionID, value: v}
	case strings.HasPrefix(v, "AROA"):
		return principalMatcher{form: formRoleID, value: v}
	}
	a, err := arn.Parse(v)
	if err != nil {
		return principalMatcher{}
	}
	switch {
	case a.Resource() == "root":
		return principalMatcher{form: formAccount, value: a.Account(), partition: a.Partition()}
	case a.Service() == "sts":
		return principalMatcher{form: formSession, value: v}
	case strings.HasPrefix(a.Resource(), "user/"):
		return principalMatcher{form: formUser, value: v}
	}
	return principalMatcher{form: formRole, value: v}
}

// inAccount reports whether the caller belongs to an account: a user, the root user or a session.
func (p *Principal) inAccount() bool {
	switch p.Type {
	case User, Root, AssumedRole, FederatedUser:
		return true
	case WebIdentity, SAML:
		return p.RoleARN != ""
	}
	return false
}

// roleSession reports whether the caller is a session of a role.
func (p *Principal) roleSession() bool {
	return p.Type == AssumedRole || (p.Type == WebIdentity || p.Type == SAML) && p.RoleARN != ""
}

// rootLike reports whether no identity policy and no boundary binds the caller: root, and root's federated sessions (D14 in
// docs/design.md).
func (p *Principal) rootLike() bool {
	return p.Type == Root || p.Type == FederatedUser && strings.HasSuffix(p.IssuerUserARN, ":root")
}

// match tells how the entry names the caller.
func (m *principalMatcher) match(p *Principal) grant {
	yes, as := false, grantDirect
	switch m.form {
	case formEveryone:
		yes = true
	case formAccount:
		yes, as = p.inAccount() && p.Account == m.value && m.samePartition(p), grantAccount
	case formUser:
		if p.Type == FederatedUser {
			yes, as = p.IssuerUserARN == m.value, grantRole
			break
		}
		yes = p.Type == User && p.ARN == m.value
	case formUserID:
		yes = p.Type == User && p.UniqueID == m.value
	case formRole:
		yes, as = p.roleSession() && p.RoleARN == m.value, grantRole
	case formRoleID:
		id, _, _ := strings.Cut(p.UniqueID, ":")
		yes, as = p.roleSession() && id == m.value, grantRole
	case formSessionID:
		yes = p.roleSession() && p.UniqueID == m.value
	case formSession:
		yes = (p.roleSession() || p.Type == FederatedUser) && p.ARN == m.value
	case formService:
		yes = p.Type == ServicePrincipal && p.Service == m.value
	case formFederated:
		// Of a session of a role, the provider names as many as the role does, and is taken to be no stronger.
		yes = p.Provider == m.value && (p.Type == WebIdentity || p.Type == SAML || p.Type == AssumedRole)
		if p.Type == AssumedRole {
			as = grantRole
		}
	}
	if !yes {
		return grantNone
	}
	return as
}

func (m *principalMatcher) samePartition(p *Principal) bool {
	return m.partition == "" || p.ARN == "" || partitionOf(p.ARN) == m.partition
}

func partitionOf(name string) string {
	rest, _ := strings.CutPrefix(name, "arn:")
	partition, _, _ := strings.Cut(rest, ":")
	return partition
}

// named returns the strongest way in which the list names the caller.
func named(list []principalMatcher, p *Principal) grant {
	best := grantNone
	for i := range list {
		if g := list[i].match(p); g > best {
			best = g
		}
	}
	return best
}

// spared reports whether a NotPrincipal list leaves the caller out. For a caller in an account every level must be listed: the
// account, for a session of a role the role, and the user or session itself (S4-57, S4-58).
func spared(list []principalMatcher, p *Principal) bool {
	if !p.inAccount() {
		return named(list, p) != grantNone
	}
	var account, role, self bool
	for i := range list {
		m := &list[i]
		if m.match(p) == grantNone {
			continue
		}
		switch m.form {
		case formEveryone:
			return true
		case formAccount:
			account = true
		case formRole, formRoleID:
			role = true
		case formUser:
			self = self || p.Type == User
		default:
			self = true
		}
	}
	return account && (role || !p.roleSession()) && (self || p.Type == Root)
}
