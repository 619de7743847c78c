package policy

import (
	"fmt"
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
)

func (c *checker) actions(st *Statement, path string) {
	path += "." + not(st.Actions.Not) + "Action"
	if len(st.Actions.Values) == 0 {
		c.fail(st.Pos, path, rankMissing, msgActions, "names no action")
	}
	if c.kind == Trust && st.Actions.Not {
		c.fail(st.Actions.Pos, path, rankAction, msgTrustAction, "not allowed in trust policies")
	}
	for i, v := range st.Actions.Values {
		path := fmt.Sprintf("%s[%d]", path, i)
		if msg, detail := checkAction(v.Text); msg != "" {
			c.fail(v.Pos, path, rankAction, msg, detail)
		} else if c.kind == Trust && !strings.EqualFold(service(v.Text), "sts") {
			c.fail(v.Pos, path, rankAction, msgTrustAction, "trust policies are about actions of sts")
		}
	}
}

func service(action string) string {
	s, _, _ := strings.Cut(action, ":")
	return s
}

// checkAction judges an action's grammar: *, or service:name with wildcards in the name only (S4-62, S4-M49; D11, D17 in
// docs/design.md: *:* is another way to write *).
func checkAction(text string) (msg, detail string) {
	if text == "*" || text == "*:*" {
		return "", ""
	}
	vendor, name, ok := strings.Cut(text, ":")
	switch {
	case !ok:
		return msgVendor, "an action has the form service:name"
	case strings.Contains(name, ":"):
		return msgColon, "an action has the form service:name"
	case vendor == "" || strings.ContainsFunc(vendor, func(r rune) bool { return !alphanumeric(r) && r != '-' && r != '.' && r != '_' }):
		return fmt.Sprintf(msgVendorBad, vendor), "a service's name has letters, digits and hyphens, and no wildcards"
	case name == "":
		return msgVendor, "the action has no name"
	case strings.ContainsFunc(name, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("*?-_.", r) }):
		return msgSyntax, "an action's name has letters, digits and wildcards"
	}
	return "", ""
}

func (c *checker) resources(st *Statement, path string) {
	element := path + "." + not(st.Resources.Not) + "Resource"
	if len(st.Resources.Values) == 0 {
		if c.kind != Trust && c.kind != Resource {
			c.fail(st.Pos, path, rankMissing, msgResources, "Resource is missing")
		}
		return
	}
	if c.kind == Trust {
		c.fail(st.Resources.Pos, element, rankSyntax, msgTrustResource, "the resource of a trust policy is its role")
		return
	}
	for i, v := range st.Resources.Values {
		if rank, msg, detail := checkResource(v.Text, c.doc.EffectiveVersion() == Version2012); msg != "" {
			c.fail(v.Pos, fmt.Sprintf("%s[%d]", element, i), rank, msg, detail)
		}
	}
}

// checkResource judges a resource: *, or an ARN with wildcards, whose service has none (S4-76, S4-M49). Fewer than six parts are
// accepted when the last ends with a *.
func checkResource(text string, vars bool) (rank int, msg, detail string) {
	if text == "*" {
		return 0, "", ""
	}
	if _, err := arn.ParsePattern(text); err != nil {
		switch {
		case !strings.HasPrefix(text, "arn:"):
			return rankResource, fmt.Sprintf(msgResource, text), `must begin with arn: or be "*"`
		case strings.Count(text, ":") < 2:
			return rankResource, msgResVendor, "the service is missing"
		}
		return rankLegacy, msgLegacy, "an ARN has six parts, or fewer and a * at the end"
	}
	if _, problem := parseTemplate(text, true, vars); problem != "" {
		return rankLegacy, msgLegacy, problem
	}
	parts := strings.SplitN(text, ":", 6)
	if len(parts) < 3 {
		return rankResource, msgResVendor, "the service is missing"
	}
	partition, vendor := parts[1], parts[2]
	switch {
	case partition != "*" && !arn.ValidPartition(strings.TrimRight(partition, "*?-")):
		return rankResource, fmt.Sprintf(msgPartition, partition, text), "no such partition"
	case vendor == "":
		return rankLegacy, msgLegacy, "the service is missing"
	case strings.ContainsAny(vendor, "*?") && !(vendor == "*" && len(parts) == 3):
		return rankResource, msgResVendor, "no wildcards in the service"
	}
	for i, part := range parts {
		if vars && i > 0 && i < 5 && strings.Contains(part, "${") {
			return rankLegacy, msgLegacy, "variables may stand behind the fifth colon only"
		}
	}
	if vendor == "iam" {
		return checkIAMResource(text, parts)
	}
	return 0, "", ""
}

// checkIAMResource adds the rules for IAM's own ARNs: no region, and no wildcard in the word that gives the type (S4-79).
func checkIAMResource(text string, parts []string) (rank int, msg, detail string) {
	if len(parts) > 3 && parts[3] != "" && parts[3] != "*" {
		return rankResource, fmt.Sprintf(msgIAMRegion, text), "IAM knows no regions"
	}
	if len(parts) < 6 || parts[5] == "*" || parts[5] == "root" {
		return 0, "", ""
	}
	for _, typ := range [...]string{"user", "federated-user", "role", "group", "instance-profile", "mfa", "server-certificate",
		"policy", "sms-mfa", "saml-provider", "oidc-provider", "report", "access-report", "u2f", "delegation-request", "assumed-role"} {
		if strings.HasPrefix(parts[5], typ+"/") {
			return 0, "", ""
		}
	}
	return rankResource, msgIAMPath, "the type must be written out"
}
