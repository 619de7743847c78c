package policy

import (
	"fmt"
	"strings"

	"github.com/ostiary-iam/ostiary/arn"
)

func (c *checker) actions(st *Statement, path string) {
	path += "." + not(st.Actions.Not) + "Action"
	if len(st.Actions.Values) == 0 {
		c.absent(st, &st.Actions, path, rankNoAction, msgActions)
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

// absent reports an element that is missing or lists nothing.
func (c *checker) absent(st *Statement, element *Strings, path string, rank int, msg string) {
	if element.Pos.Line > 0 {
		c.fail(element.Pos, path, rank, msg, "an empty list")
		return
	}
	c.fail(st.Pos, path, rank, msg, "is missing")
}

func service(action string) string {
	s, _, _ := strings.Cut(action, ":")
	return s
}

// checkAction judges an action's grammar: *, or service:name with wildcards in the name only (S4-62, S4-M49; D11, D17 in
// docs/design.md: *:* is another way to write *). What the name consists of is not asked: AWS's API takes even spaces, and a name
// that no service knows does nothing.
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
	case strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r >= 0x7f }):
		return msgSyntax, "an action's name has printable ASCII characters"
	}
	return "", ""
}

func (c *checker) resources(st *Statement, path string) {
	element := path + "." + not(st.Resources.Not) + "Resource"
	if len(st.Resources.Values) == 0 {
		if st.Resources.present() || c.kind != Trust && c.kind != Resource {
			c.absent(st, &st.Resources, element, rankNoResource, msgResources)
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

// checkResource judges a resource: *, or an ARN with wildcards, whose service has none (S4-76, S4-M49). Like AWS's API it accepts fewer
// than six parts, if the last ends with a * or no part is empty; see shortARN for what they mean.
func checkResource(text string, vars bool) (rank int, msg, detail string) {
	if text == "*" {
		return 0, "", ""
	}
	if _, problem := parseTemplate(text, true, vars); problem != "" {
		return rankLegacy, msgLegacy, problem
	}
	parts := strings.SplitN(text, ":", 6)
	if len(parts) == 1 {
		return rankResource, fmt.Sprintf(msgResource, text), `must begin with arn: or be "*"`
	}
	if partition := parts[1]; partition != "*" && !arn.ValidPartition(strings.TrimRight(partition, "*?-")) {
		return rankResource, fmt.Sprintf(msgPartition, partition, completed(parts)), "no such partition"
	}
	if parts[0] != "arn" {
		return rankResource, fmt.Sprintf(msgResource, text), `must begin with arn: or be "*"`
	}
	if len(parts) < 3 {
		return rankResource, msgResVendor, "the service is missing"
	}
	service := parts[2]
	switch {
	case service == "":
		return rankLegacy, msgLegacy, "the service is missing"
	case len(parts) < 6 && text[len(text)-1] != '*' && strings.Contains(text, "::"):
		return rankLegacy, msgLegacy, "an ARN has six parts, or fewer and a * at the end"
	case strings.ContainsAny(service, "*?") && !(service == "*" && len(parts) == 3):
		return rankResource, msgResVendor, "no wildcards in the service"
	}
	for i, part := range parts {
		if vars && i > 0 && i < 5 && strings.Contains(part, "${") {
			return rankLegacy, msgLegacy, "variables may stand behind the fifth colon only"
		}
	}
	switch {
	case service == "iam":
		return checkIAMResource(text, parts)
	case service == "s3" && len(parts) == 6 && parts[3] != "" && parts[3] != "*" && parts[4] == "":
		return rankResource, fmt.Sprintf(msgS3Region, text), "the ARN of a bucket or object has no region"
	}
	return 0, "", ""
}

// completed puts an ARN together as AWS's sentence about partitions shows it: parts that are not there are stars.
func completed(parts []string) string {
	out := "arn:" + parts[1]
	for i := 2; i < 6; i++ {
		switch {
		case i >= len(parts) || i == 2 && len(parts) == 3 && parts[i] == "":
			out += ":*"
		default:
			out += ":" + parts[i]
		}
	}
	return out
}

// shortARN returns the pattern that a resource stands for. How AWS reads an ARN of fewer than six parts without a * at its end is not
// known; its errors complete such an ARN with stars. Where that lets fewer people in (a Resource that denies, a NotResource that
// allows) it is done, elsewhere such a text matches only itself, which is the ARN of nothing.
func shortARN(text string, effect Effect, not bool) string {
	if text == "*" || strings.Count(text, ":") >= 5 || strings.HasSuffix(text, "*") || (effect == Allow) != not {
		return text
	}
	return text + ":*"
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
