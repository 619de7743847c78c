package directory

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/ostiary-iam/ostiary/arn"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Lengths of what an OpenID Connect provider has ("CreateOpenIDConnectProvider" in the IAM API Reference). The numbers of client
// IDs and thumbprints are quotas.
const (
	maxProviderURL   = 255
	maxClientID      = 255
	thumbprintLength = 40
)

// NewOIDCProvider is an OpenID Connect provider to be made.
type NewOIDCProvider struct {
	URL         string   // with scheme, as the issuer writes it: case and a slash at the end count
	ClientIDs   []string // audiences; may be empty, and nothing is accepted from the provider then
	Thumbprints []string // SHA-1 of certificates; at least one
	Tags        []entity.Tag
}

// Check holds all but the number of thumbprints to the rules, for who must look for one before writing.
func (n *NewOIDCProvider) Check() error {
	if err := checkProviderURL(n.URL); err != nil {
		return err
	}
	for _, id := range n.ClientIDs {
		if err := checkClientID(id); err != nil {
			return err
		}
	}
	for _, t := range n.Thumbprints {
		if err := checkThumbprint(t); err != nil {
			return err
		}
	}
	return nil
}

// CreateOIDCProvider makes a provider. A client ID that is given twice counts once.
func (tx *Tx) CreateOIDCProvider(account string, n NewOIDCProvider) (p *entity.OIDCProvider, err error) {
	defer tx.note(&err)
	if err := n.Check(); err != nil {
		return nil, err
	}
	acct, err := tx.account(account)
	if err != nil {
		return nil, err
	}
	if err := checkThumbprints(acct, n.Thumbprints); err != nil {
		return nil, err
	}
	p = &entity.OIDCProvider{Account: account, URL: strings.TrimPrefix(n.URL, scheme), CreatedAt: tx.now, Thumbprints: slices.Clone(n.Thumbprints)}
	for _, id := range n.ClientIDs {
		if !slices.Contains(p.ClientIDs, id) {
			p.ClientIDs = append(p.ClientIDs, id)
		}
	}
	if err := checkQuota(acct, ClientIDsPerOIDCProviderQuota, len(p.ClientIDs)); err != nil {
		return nil, err
	}
	if p.Tags, err = mergeTags(acct, entity.KindOIDCProvider, nil, n.Tags); err != nil {
		return nil, err
	}
	taken, err := tx.named(account, entity.KindOIDCProvider, p.Place().Name)
	if err != nil {
		return nil, err
	}
	if taken != nil {
		return nil, alreadyExists(entity.KindOIDCProvider, p.URL)
	}
	return p, tx.addItem(acct, p, OIDCProvidersQuota)
}

// DeleteOIDCProvider deletes a provider. That there is none is no error, and roles that trust it keep their policies
// ("DeleteOpenIDConnectProvider" in the IAM API Reference).
func (tx *Tx) DeleteOIDCProvider(account, providerARN string) (err error) {
	defer tx.note(&err)
	url, err := providerURL(account, providerARN)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := item[entity.OIDCProvider](tx, account, entity.OIDCProviderName(url))
	if err != nil || p == nil {
		return err
	}
	return tx.dropItem(p)
}

// AddClientID adds an audience to a provider; one that it has is no error.
func (tx *Tx) AddClientID(account, providerARN, id string) error {
	return tx.changeOIDCProvider(account, providerARN, func(acct *entity.Account, p *entity.OIDCProvider) error {
		if err := checkClientID(id); err != nil || slices.Contains(p.ClientIDs, id) {
			return err
		}
		p.ClientIDs = append(p.ClientIDs, id)
		return checkQuota(acct, ClientIDsPerOIDCProviderQuota, len(p.ClientIDs))
	})
}

// RemoveClientID takes an audience from a provider; one that it does not have is no error.
func (tx *Tx) RemoveClientID(account, providerARN, id string) error {
	return tx.changeOIDCProvider(account, providerARN, func(_ *entity.Account, p *entity.OIDCProvider) error {
		p.ClientIDs = slices.DeleteFunc(p.ClientIDs, func(have string) bool { return have == id })
		return checkClientID(id)
	})
}

// SetThumbprints replaces all thumbprints of a provider (S2-128).
func (tx *Tx) SetThumbprints(account, providerARN string, thumbprints []string) error {
	return tx.changeOIDCProvider(account, providerARN, func(acct *entity.Account, p *entity.OIDCProvider) error {
		p.Thumbprints = slices.Clone(thumbprints)
		return checkThumbprints(acct, thumbprints)
	})
}

// TagOIDCProvider adds tags to a provider, and replaces those with the same keys.
func (tx *Tx) TagOIDCProvider(account, providerARN string, tags []entity.Tag) error {
	return tx.changeOIDCProvider(account, providerARN, func(acct *entity.Account, p *entity.OIDCProvider) (err error) {
		p.Tags, err = mergeTags(acct, entity.KindOIDCProvider, p.Tags, tags)
		return err
	})
}

// UntagOIDCProvider removes tags; keys that it does not have are no error.
func (tx *Tx) UntagOIDCProvider(account, providerARN string, keys []string) error {
	return tx.changeOIDCProvider(account, providerARN, func(_ *entity.Account, p *entity.OIDCProvider) error {
		p.Tags = removeTags(entity.KindOIDCProvider, p.Tags, keys)
		return nil
	})
}

// changeOIDCProvider writes a provider after change.
func (tx *Tx) changeOIDCProvider(account, providerARN string, change func(*entity.Account, *entity.OIDCProvider) error) (err error) {
	defer tx.note(&err)
	acct, err := tx.account(account)
	if err != nil {
		return err
	}
	url, err := providerURL(account, providerARN)
	if err != nil {
		return err
	}
	p, err := item[entity.OIDCProvider](tx, account, entity.OIDCProviderName(url))
	if err != nil {
		return err
	}
	if p == nil {
		return OIDCProviderNotFound(providerARN)
	}
	if err := change(acct, p); err != nil {
		return err
	}
	tx.putItem(p)
	return nil
}

// providerURL is the URL, without scheme, in the ARN of one of the account's OpenID Connect providers.
func providerURL(account, text string) (string, error) {
	owner, url, ok := ParseOIDCProviderARN(text)
	if !ok {
		return "", &fault.Error{Kind: fault.InvalidInput, Subject: text, Message: "ARN " + text + " is not valid."}
	}
	if owner != account {
		return "", OIDCProviderNotFound(text)
	}
	return url, nil
}

// ParseOIDCProviderARN splits the ARN of an OpenID Connect provider; ok is false for any other text.
func ParseOIDCProviderARN(text string) (account, url string, ok bool) {
	a, err := arn.Parse(text)
	if err != nil || a.Partition() != entity.Partition || a.Service() != "iam" || a.Region() != "" || !isAccountID(a.Account()) {
		return "", "", false
	}
	url, ok = strings.CutPrefix(a.Resource(), string(entity.KindOIDCProvider)+"/")
	return a.Account(), url, ok && url != ""
}

// OIDCProviderNotFound is AWS's sentence for a provider that is not there.
func OIDCProviderNotFound(providerARN string) error {
	return &fault.Error{Kind: fault.NotFound, Subject: providerARN, Message: "OpenIDConnect Provider not found for arn " + providerARN}
}

const (
	scheme        = "https://"
	sayInvalidURL = "Invalid Open ID Connect Provider URL"
)

// checkProviderURL holds the URL of a provider to the rules of S2-126 and the API Reference: https, a host, no query. A port is
// accepted (D10). The URL becomes part of ARNs and condition keys, so that it has none of the characters that mean something there.
func checkProviderURL(text string) error {
	refuse := func(kind fault.Kind, because string) error {
		return &fault.Error{Kind: kind, Subject: "Url", Message: sayInvalidURL + because}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" || len(text) > maxProviderURL:
		return refuse(fault.Invalid, "")
	case !strings.HasPrefix(text, scheme):
		return refuse(fault.InvalidInput, ". The URL must begin with https://.")
	case strings.ContainsAny(text, "?#"):
		return refuse(fault.InvalidInput, ". The URL must not contain query parameters or a fragment.")
	}
	host, path, _ := strings.Cut(strings.TrimPrefix(text, scheme), "/")
	if slices.Contains(reservedHosts, strings.ToLower(host)) {
		return refuse(fault.Invalid, "")
	}
	if host, port, ok := strings.Cut(host, ":"); !isHost(host) || ok && !isPort(port) {
		return refuse(fault.Invalid, "")
	}
	for i := range len(path) {
		if !isAlphanumeric(path[i]) && !strings.ContainsRune("-._~%!&+,;=@/", rune(path[i])) {
			return refuse(fault.Invalid, "")
		}
	}
	return nil
}

// reservedHosts would make condition keys that mean something else: https://saml would state saml:sub.
var reservedHosts = []string{"aws", "iam", "saml", "sts"}

// isHost reports whether s is an IPv4 address or a name of labels of letters, digits and hyphens.
func isHost(s string) bool {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.Is4()
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !isAlphanumeric(label[i]) && label[i] != '-' {
				return false
			}
		}
	}
	return true
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0 && s[0] != '0' && isDigits(s)
}

func checkClientID(id string) error {
	if id == "" || len(id) > maxClientID || strings.ContainsFunc(id, unicode.IsControl) {
		return &fault.Error{Kind: fault.InvalidInput, Subject: "ClientID", Message: "Invalid client ID. It must be 1 to 255 characters without control characters."}
	}
	return nil
}

// checkThumbprints holds the list to its quota. AWS calls one that is too long an invalid input, and counts as its sentence says.
func checkThumbprints(acct *entity.Account, all []string) error {
	refuse := func(message string) error {
		return &fault.Error{Kind: fault.InvalidInput, Subject: "ThumbprintList", Message: message}
	}
	if len(all) == 0 {
		return refuse("Thumbprint list must contain at least one entry.")
	}
	if limit := Quota(acct, ThumbprintsPerOIDCProviderQuota); len(all) > limit {
		return refuse(fmt.Sprintf("Thumbprint list must contain fewer than %d entries.", limit))
	}
	for _, t := range all {
		if err := checkThumbprint(t); err != nil {
			return err
		}
	}
	return nil
}

func checkThumbprint(t string) error {
	if len(t) != thumbprintLength || strings.Trim(t, "0123456789abcdefABCDEF") != "" {
		return &fault.Error{Kind: fault.InvalidInput, Subject: "ThumbprintList", Message: "Thumbprint must be 40 hexadecimal digits: " + t}
	}
	return nil
}
