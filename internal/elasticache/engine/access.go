package engine

import (
	"fmt"
	"strings"
)

// Access is a parsed access string: permissions, and for engines of version 7 any number of selectors, each a set of permissions of
// its own. Rules are in the order written; later ones win.
type Access struct {
	On        bool
	Rules     []string
	Selectors [][]string
}

// closed are the commands that AWS closes to customers ("Restricted commands", and the list for users and groups in "Role-Based
// Access Control"), and those beside them that would open a way to the host, to the other nodes or to Ostiary's own user.
var closed = []string{
	"bgrewriteaof", "bgsave", "config", "debug", "migrate", "psync", "replicaof", "save", "slaveof", "shutdown", "sync",
	"acl|deluser", "acl|dryrun", "acl|getuser", "acl|list", "acl|load", "acl|log", "acl|save", "acl|setuser", "acl|users",
	"cluster|addslots", "cluster|addslotsrange", "cluster|bumpepoch", "cluster|delslots", "cluster|delslotsrange",
	"cluster|failover", "cluster|flushslots", "cluster|forget", "cluster|meet", "cluster|replicate", "cluster|reset",
	"cluster|saveconfig", "cluster|set-config-epoch", "cluster|setslot",
	"failover", "module", "replconf", "restore-asking", "pfdebug", "pfselftest",
}

// Closed returns the commands that are closed to every customer, in the engine's spelling.
func Closed() []string { return append([]string(nil), closed...) }

// ParseAccess reads AWS's access string: "on" or "off" and rules, separated by spaces. Empty means "on ~* &* +@all". As on AWS it can
// hold no passwords, and nothing that would change who may log in.
func ParseAccess(s string) (Access, error) {
	if strings.TrimSpace(s) == "" {
		s = "on ~* &* +@all"
	}
	if len(s) > 4096 {
		return Access{}, fmt.Errorf("access string is longer than 4096 bytes")
	}
	a := Access{}
	var selector []string
	inside := false
	for _, field := range strings.Fields(s) {
		opens := strings.HasPrefix(field, "(")
		if opens {
			if inside {
				return Access{}, fmt.Errorf("access string: a selector inside a selector")
			}
			inside, selector, field = true, nil, field[1:]
		}
		closes := inside && strings.HasSuffix(field, ")")
		if closes {
			field = field[:len(field)-1]
		}
		if field != "" {
			switch err := checkRule(field); {
			case err != nil:
				return Access{}, err
			case inside:
				selector = append(selector, field)
			case strings.EqualFold(field, "on"), strings.EqualFold(field, "off"):
				a.On = strings.EqualFold(field, "on")
			default:
				a.Rules = append(a.Rules, field)
			}
		}
		if inside && (strings.EqualFold(field, "on") || strings.EqualFold(field, "off")) {
			return Access{}, fmt.Errorf("access string: %q in a selector", field)
		}
		if closes {
			a.Selectors, inside = append(a.Selectors, selector), false
		}
	}
	if inside {
		return Access{}, fmt.Errorf("access string: a selector is not closed")
	}
	return a, nil
}

// checkRule accepts the forms of rules that say what a user may do.
func checkRule(rule string) error {
	for _, c := range rule {
		if c < 0x21 || c == 0x7f || c == '"' || c == '\'' || c == '\\' {
			return fmt.Errorf("access string: character %q", c)
		}
	}
	switch strings.ToLower(rule) {
	case "on", "off", "allkeys", "resetkeys", "allchannels", "resetchannels", "allcommands", "nocommands":
		return nil
	}
	switch rule[0] {
	case '~', '&':
		if len(rule) > 1 {
			return nil
		}
	case '%':
		kind, pattern, ok := strings.Cut(rule[1:], "~")
		if ok && pattern != "" && (strings.EqualFold(kind, "R") || strings.EqualFold(kind, "W") || strings.EqualFold(kind, "RW") || strings.EqualFold(kind, "WR")) {
			return nil
		}
	case '+', '-':
		name := strings.TrimPrefix(rule[1:], "@")
		if name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_.|") == "" {
			return nil
		}
	}
	return fmt.Errorf("access string: rule %q", rule)
}

// Line returns the user as the engine's rules, for ACL SETUSER and for an ACL file: everything that was is reset first, and the closed
// commands are taken away last, in the permissions and in every selector. A password stands there as its digest.
func (u User) Line() ([]string, error) {
	a, err := ParseAccess(u.Access)
	if err != nil {
		return nil, err
	}
	rules := []string{"reset"}
	if a.On {
		rules = append(rules, "on")
	} else {
		rules = append(rules, "off")
	}
	if u.NoPassword {
		rules = append(rules, "nopass")
	}
	for _, p := range u.Passwords {
		rules = append(rules, "#"+Digest(p))
	}
	rules = append(rules, a.Rules...)
	denials := make([]string, len(closed))
	for i, c := range closed {
		denials[i] = "-" + c
	}
	rules = append(rules, denials...)
	for _, s := range a.Selectors {
		rules = append(rules, "("+strings.Join(append(append([]string(nil), s...), denials...), " ")+")")
	}
	return rules, nil
}
