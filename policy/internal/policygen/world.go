package policygen

import (
	"strings"

	"github.com/ostiary-iam/ostiary/policy"
)

const (
	home   = "111122223333"
	abroad = "444455556666"
)

// service is a service with some of its actions and the form of its resources; @ stands for the account, % for a name.
type service struct {
	name      string
	actions   []string
	resources []string
}

var services = []service{
	{"s3", []string{"GetObject", "GetObjectTagging", "PutObject", "ListBucket", "ListAllMyBuckets"},
		[]string{"arn:aws:s3:::bucket/home/%/file.txt", "arn:aws:s3:::bucket", "arn:aws:s3:::bucket/%", "arn:aws:s3:::%", "*"}},
	{"sqs", []string{"SendMessage", "ReceiveMessage"}, []string{"arn:aws:sqs:us-east-1:@:queue-%", "arn:aws:sqs:eu-west-1:@:%"}},
	{"logs", []string{"PutLogEvents", "CreateLogStream"}, []string{"arn:aws:logs:us-east-1:@:log-group:%:log-stream:s:%", "arn:aws:logs:us-east-1:@:log-group:%"}},
	{"kms", []string{"Decrypt", "Encrypt"}, []string{"arn:aws:kms:us-east-1:@:key/1234-%", "arn:aws:kms:us-east-1:@:alias/%"}},
	{"dynamodb", []string{"GetItem", "Query", "BatchGetItem"}, []string{"arn:aws:dynamodb:us-east-1:@:table/%", "arn:aws-cn:dynamodb:cn-north-1:@:table/%"}},
	{"iam", []string{"GetUser", "ListAccessKeys", "PassRole"}, []string{"arn:aws:iam::@:user/%", "arn:aws:iam::@:role/team/%"}},
	{"sts", []string{"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "TagSession"}, []string{"arn:aws:iam::@:role/app", "arn:aws:iam::@:role/team/%"}},
	{"execute-api", []string{"Invoke"}, []string{"arn:aws:execute-api:us-east-1:@:abc/prod/GET/%/x"}},
	{strings.Repeat("long", 20), []string{"Act"}, []string{"*", "arn:aws:long:::%"}},
}

// plainNames are names that people have; hostileNames are what somebody could choose to be called, or to call a file.
var (
	plainNames   = []string{"alice", "alice", "bob", "bob", "carol.b", "app-1", "x", "10", "true", "203.0.113.7"}
	hostileNames = []string{"*", "?", "a*e", "al?ce", "${aws:username}", "${*}", "$", "a:b", ":", "::", "a/b", "/", "équipe", "日本", "a\u0301", "ALICE",
		"\u212aelvin", "\xff", "al\xc3", "\xa9b", "x|y", "'", "a b", "aaaaaaaaaaaaaaaaaaaa", "*:*", "}", "root", "\u017f"}
)

func (g *Generator) name() string {
	if g.chance(80) {
		return pick(g, plainNames...)
	}
	return pick(g, hostileNames...)
}

// world makes the question: who asks for what, and with which context.
func (g *Generator) world() {
	g.names = []string{g.name(), g.name()}
	g.c.Request = policy.Request{Principal: g.principal()}
	g.target()
	g.context()
}

// Ask changes the question of c in one or two places, and leaves the policies as they are.
func (g *Generator) Ask(c *Case) {
	g.c = c
	r := &c.Request
	for range pick(g, 1, 1, 2) {
		switch g.IntN(10) {
		case 0:
			r.Principal = g.principal()
		case 1:
			r.Action = g.caseOf(r.Action)
		case 2:
			service, _, _ := strings.Cut(r.Action, ":")
			r.Action = service + ":" + pick(g, "GetObject", "PutObject", "SendMessage", "AssumeRole", "é")
		case 3:
			r.Resource = g.changed(r.Resource)
		case 4:
			r.ResourceAccount = pick(g, "", home, abroad)
		case 5:
			g.context()
		default:
			if len(c.Keys) > 0 {
				i := g.IntN(len(c.Keys))
				c.Keys[i] = g.rekeyed(c.Keys[i])
			}
		}
	}
}

// rekeyed changes a key's values.
func (g *Generator) rekeyed(k Key) Key {
	out := Key{Name: k.Name}
	switch g.IntN(5) {
	case 0:
		return out // no values: as if absent
	case 1:
		return g.key(k.Name)
	case 2:
		out.Name = g.caseOf(k.Name)
		out.Values, out.Type = k.Values, k.Type
		return out
	case 3:
		out.Values = append(append(out.Values, k.Values...), g.valueFor(k.Name))
		return out
	}
	for _, v := range k.Values {
		out.Values = append(out.Values, g.changed(v))
	}
	return out
}

// target chooses action, resource and owner.
func (g *Generator) target() {
	r := &g.c.Request
	s := pick(g, services...)
	r.Action = s.name + ":" + pick(g, s.actions...)
	if g.chance(10) {
		r.Action = g.caseOf(r.Action)
	}
	account := home
	if g.chance(20) {
		account = abroad
	}
	r.Resource = pick(g, s.resources...)
	r.Resource = strings.ReplaceAll(r.Resource, "@", account)
	for strings.Contains(r.Resource, "%") {
		r.Resource = strings.Replace(r.Resource, "%", pick(g, g.names...), 1)
	}
	if g.chance(60) {
		r.ResourceAccount = account
	}
}

func (c *Case) asksForRole() bool {
	return strings.HasPrefix(strings.ToLower(c.Request.Action), "sts:assumerole")
}

// principal makes a caller of any type.
func (g *Generator) principal() policy.Principal {
	account, partition := home, "aws"
	if g.chance(12) {
		account = abroad
	}
	if g.chance(4) {
		partition = "aws-cn"
	}
	iam, sts := "arn:"+partition+":iam::"+account+":", "arn:"+partition+":sts::"+account+":"
	user := pick(g, g.names...)
	role := pick(g, "app", "team/app")
	p := policy.Principal{Type: pick(g, policy.User, policy.User, policy.User, policy.AssumedRole, policy.AssumedRole, policy.AssumedRole,
		policy.Root, policy.FederatedUser, policy.FederatedUser, policy.WebIdentity, policy.SAML, policy.ServicePrincipal, policy.Anonymous)}
	switch p.Type {
	case policy.User:
		p.Account, p.ARN, p.UniqueID = account, iam+"user/"+pick(g, "", "staff/")+user, "AIDAEXAMPLE11111"
	case policy.Root:
		p.Account, p.ARN, p.UniqueID = account, iam+"root", account
	case policy.AssumedRole:
		p.Account, p.RoleARN, p.ARN, p.UniqueID = account, iam+"role/"+role, sts+"assumed-role/app/s1", "AROAEXAMPLE11111:s1"
		p.ServiceLinked = g.chance(8)
		if g.chance(20) {
			p.Provider = pick(g, "accounts.google.com", iam+"saml-provider/idp")
		}
	case policy.FederatedUser:
		p.Account, p.ARN, p.UniqueID = account, sts+"federated-user/guest", account+":guest"
		p.IssuerUserARN = iam + pick(g, "user/"+user, "user/"+user, "root")
	case policy.WebIdentity, policy.SAML:
		p.Provider = pick(g, "accounts.google.com", iam+"saml-provider/idp", iam+"oidc-provider/example.com")
		if g.chance(30) {
			p.Account, p.RoleARN, p.ARN, p.UniqueID = account, iam+"role/"+role, sts+"assumed-role/app/s1", "AROAEXAMPLE11111:s1"
		}
	case policy.ServicePrincipal:
		p.Service = pick(g, "ec2.amazonaws.com", "lambda.amazonaws.com")
	}
	return p
}

// caseOf changes letter case here and there.
func (g *Generator) caseOf(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case g.chance(60):
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, strings.ToValidUTF8(s, "."))
}

// changed returns s with one small change.
func (g *Generator) changed(s string) string {
	r := []rune(s)
	if len(r) == 0 {
		return pick(g, "x", "*", ":")
	}
	i := g.IntN(len(r))
	switch g.IntN(6) {
	case 0:
		return string(r[:i]) + string(r[i+1:])
	case 1:
		return string(r[:i]) + pick(g, "x", "*", "?", ":", "/", "é", "a") + string(r[i:])
	case 2:
		return s + pick(g, "x", ":x", "/x", "/")
	case 3:
		return string(r[:i]) + pick(g, "x", ":", "A", "0") + string(r[i+1:])
	case 4:
		return g.caseOf(s)
	}
	return string(r[:i])
}
