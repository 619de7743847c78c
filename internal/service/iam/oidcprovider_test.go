package iam_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
)

const somePrint = "990f4193972f2becf12ddeda5237f9c952f20d9e"

// furnishOIDC adds to a scene the provider idp.example/team with the client ID app, tagged color=blue, and the provider
// spare.example without anything.
func furnishOIDC(w *world) {
	w.t.Helper()
	furnishProfiles(w)
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateOIDCProvider(w.account, directory.NewOIDCProvider{
			URL: "https://idp.example/team", ClientIDs: []string{"app"}, Thumbprints: []string{somePrint}, Tags: []entity.Tag{{Key: "color", Value: "blue"}},
		})
		if err == nil {
			_, err = tx.CreateOIDCProvider(w.account, directory.NewOIDCProvider{URL: "https://spare.example", Thumbprints: []string{somePrint}})
		}
		return err
	})
}

// oidcCalls are the operations on one provider by its ARN.
func oidcCalls(ctx context.Context, c *sdk.Client) calls {
	return calls{
		"GetOpenIDConnectProvider": func(arn string) error {
			_, err := c.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
			return err
		},
		"DeleteOpenIDConnectProvider": func(arn string) error {
			_, err := c.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
			return err
		},
		"AddClientIDToOpenIDConnectProvider": func(arn string) error {
			_, err := c.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("more")})
			return err
		},
		"RemoveClientIDFromOpenIDConnectProvider": func(arn string) error {
			_, err := c.RemoveClientIDFromOpenIDConnectProvider(ctx, &sdk.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("app")})
			return err
		},
		"UpdateOpenIDConnectProviderThumbprint": func(arn string) error {
			_, err := c.UpdateOpenIDConnectProviderThumbprint(ctx, &sdk.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: &arn, ThumbprintList: []string{somePrint}})
			return err
		},
		"TagOpenIDConnectProvider": func(arn string) error {
			_, err := c.TagOpenIDConnectProvider(ctx, &sdk.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, Tags: sdkTags("k", "v")})
			return err
		},
		"UntagOpenIDConnectProvider": func(arn string) error {
			_, err := c.UntagOpenIDConnectProvider(ctx, &sdk.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, TagKeys: []string{"color"}})
			return err
		},
		"ListOpenIDConnectProviderTags": func(arn string) error {
			_, err := c.ListOpenIDConnectProviderTags(ctx, &sdk.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: &arn})
			return err
		},
	}
}

func oidcPermissions(w *world) []permission {
	all := []permission{
		{"CreateOpenIDConnectProvider", "oidc-provider/fresh.example/a", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://fresh.example/a"), ThumbprintList: []string{somePrint}})
			return err
		}},
		{"ListOpenIDConnectProviders", "oidc-provider/*", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListOpenIDConnectProviders(ctx, &sdk.ListOpenIDConnectProvidersInput{})
			return err
		}},
	}
	for name := range oidcCalls(context.Background(), nil) {
		arn := w.arn("oidc-provider/idp.example/team")
		all = append(all, permission{name, "oidc-provider/idp.example/team", "", func(ctx context.Context, c *sdk.Client) error {
			return oidcCalls(ctx, c)[name](arn)
		}})
	}
	return sortedPermissions(all)
}

// oidcErrors are the errors of the model for OpenID Connect providers.
func oidcErrors(w *world) (all []apiError) {
	ctx, c := w.t.Context(), w.root
	team, nothing, malformed := w.arn("oidc-provider/idp.example/team"), w.arn("oidc-provider/nothing.example"), w.arn("saml-provider/idp.example")
	for _, p := range oidcPermissions(w) {
		do, ok := oidcCalls(ctx, c)[p.operation]
		if !ok {
			continue
		}
		if p.operation != "DeleteOpenIDConnectProvider" { // the last differ from team in case, and in a slash
			for _, arn := range []string{nothing, w.arn("oidc-provider/IDP.example/team"), team + "/"} {
				all = append(all, apiError{operation: p.operation, code: "NoSuchEntity", message: "OpenIDConnect Provider not found for arn " + arn,
					do: func() error { return do(arn) }})
			}
		}
		all = append(all, apiError{operation: p.operation, code: "InvalidInput", message: "ARN " + malformed + " is not valid.", do: func() error { return do(malformed) }})
	}
	create := func(in sdk.CreateOpenIDConnectProviderInput) func() error {
		if in.Url == nil {
			in.Url = aws.String("https://fresh.example")
		}
		if in.ThumbprintList == nil {
			in.ThumbprintList = []string{somePrint}
		}
		return func() error { _, err := c.CreateOpenIDConnectProvider(ctx, &in); return err }
	}
	const creates = "CreateOpenIDConnectProvider"
	invalid := func(message string, in sdk.CreateOpenIDConnectProviderInput) apiError {
		return apiError{operation: creates, code: "InvalidInput", message: message, do: create(in)}
	}
	return append(all,
		apiError{operation: creates, code: "EntityAlreadyExists", message: "Provider with url https://idp.example/team already exists.",
			do: create(sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://idp.example/team")})},
		apiError{operation: creates, code: "EntityAlreadyExists", message: "Provider with url https://idp.example/team already exists.",
			do: create(sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://idp.example/team"), ThumbprintList: []string{}})},
		invalid("Invalid Open ID Connect Provider URL. The URL must begin with https://.", sdk.CreateOpenIDConnectProviderInput{Url: aws.String("http://fresh.example")}),
		invalid("Invalid Open ID Connect Provider URL. The URL must not contain query parameters or a fragment.",
			sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://fresh.example/?a=b")}),
		invalid("Thumbprint list must contain fewer than 5 entries.",
			sdk.CreateOpenIDConnectProviderInput{ThumbprintList: []string{somePrint, somePrint, somePrint, somePrint, somePrint, somePrint}}),
		invalid("Thumbprint must be 40 hexadecimal digits: "+strings.Repeat("g", 40), sdk.CreateOpenIDConnectProviderInput{ThumbprintList: []string{strings.Repeat("g", 40)}}),
		invalid("Duplicate tag keys found.", sdk.CreateOpenIDConnectProviderInput{Tags: sdkTags("k", "1", "k", "2")}),
		apiError{operation: creates, code: "OpenIdIdpCommunicationError", message: "The request failed because IAM cannot connect to the OpenID Connect identity provider URL.",
			do: create(sdk.CreateOpenIDConnectProviderInput{ThumbprintList: []string{}})},
		apiError{operation: creates, code: "LimitExceeded", message: "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 2",
			quota: directory.OIDCProvidersQuota, n: 2, do: create(sdk.CreateOpenIDConnectProviderInput{})},
		apiError{operation: creates, code: "LimitExceeded", message: "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100",
			do: create(sdk.CreateOpenIDConnectProviderInput{ClientIDList: numbered("client", 101)})},
		apiError{operation: "AddClientIDToOpenIDConnectProvider", code: "LimitExceeded", message: "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 1",
			quota: directory.ClientIDsPerOIDCProviderQuota, n: 1, do: func() error { return oidcCalls(ctx, c)["AddClientIDToOpenIDConnectProvider"](team) }},
		apiError{operation: "UpdateOpenIDConnectProviderThumbprint", code: "InvalidInput", message: "Thumbprint list must contain at least one entry.", do: func() error {
			_, err := c.UpdateOpenIDConnectProviderThumbprint(ctx, &sdk.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: &team, ThumbprintList: []string{}})
			return err
		}},
		apiError{operation: "TagOpenIDConnectProvider", code: "InvalidInput", message: "Duplicate tag keys found.", do: func() error {
			_, err := c.TagOpenIDConnectProvider(ctx, &sdk.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: &team, Tags: sdkTags("k", "1", "k", "2")})
			return err
		}},
		apiError{operation: "TagOpenIDConnectProvider", code: "LimitExceeded", message: "Cannot exceed quota for TagsPerResource: 1",
			quota: directory.TagsPerResourceQuota, n: 1, do: func() error { return oidcCalls(ctx, c)["TagOpenIDConnectProvider"](team) }},
	)
}

var oidcCannot = map[string]map[string]string{
	"NoSuchEntity": {"DeleteOpenIDConnectProvider": "the operation is idempotent: it succeeds where there is no such provider"},
}

func TestOIDCProviderLifecycle(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.root
	arn := w.arn("oidc-provider/Server.example:8443/Realms/One")
	get := func(t *testing.T) *sdk.GetOpenIDConnectProviderOutput {
		t.Helper()
		return must(c.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn}))(t)
	}
	list := func(t *testing.T) (arns []string) {
		t.Helper()
		for _, p := range must(c.ListOpenIDConnectProviders(ctx, &sdk.ListOpenIDConnectProvidersInput{}))(t).OpenIDConnectProviderList {
			arns = append(arns, *p.Arn)
		}
		return arns
	}
	t.Run("created", func(t *testing.T) {
		checklist.Shows(t, "S2-125", "S2-137")
		out := must(c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://Server.example:8443/Realms/One"),
			ClientIDList: []string{"b", "a", "b"}, ThumbprintList: []string{strings.ToUpper(somePrint)}, Tags: sdkTags("Key", "1", "key", "2")}))(t)
		if *out.OpenIDConnectProviderArn != arn {
			t.Errorf("the ARN is %s", *out.OpenIDConnectProviderArn)
		}
		equalNames(t, "tags", textTags(out.Tags), []string{"Key=1", "key=2"})
		p := get(t)
		if *p.Url != "Server.example:8443/Realms/One" {
			t.Errorf("the URL is %s", *p.Url)
		}
		recent(t, "CreateDate", p.CreateDate)
		equalNames(t, "client IDs", p.ClientIDList, []string{"b", "a"})
		equalNames(t, "thumbprints", p.ThumbprintList, []string{strings.ToUpper(somePrint)})
		equalNames(t, "tags", textTags(p.Tags), []string{"Key=1", "key=2"})
	})
	t.Run("case counts", func(t *testing.T) {
		lower := must(c.CreateOpenIDConnectProvider(ctx, &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://Server.example:8443/realms/one"), ThumbprintList: []string{somePrint}}))(t)
		equalNames(t, "providers", list(t), []string{arn, *lower.OpenIDConnectProviderArn})
		must(c.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: lower.OpenIDConnectProviderArn}))(t)
	})
	t.Run("client IDs", func(t *testing.T) {
		checklist.Shows(t, "S2-127")
		for range 2 { // adding and removing again is no error
			must(c.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("c")}))(t)
			equalNames(t, "client IDs", get(t).ClientIDList, []string{"b", "a", "c"})
		}
		for range 2 {
			must(c.RemoveClientIDFromOpenIDConnectProvider(ctx, &sdk.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("b")}))(t)
			equalNames(t, "client IDs", get(t).ClientIDList, []string{"a", "c"})
		}
		for i := range 98 {
			must(c.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String(fmt.Sprint("n", i))}))(t)
		}
		_, err := c.AddClientIDToOpenIDConnectProvider(ctx, &sdk.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, ClientID: aws.String("over")})
		refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100")
	})
	t.Run("thumbprints", func(t *testing.T) {
		checklist.Shows(t, "S2-128")
		set := func(all ...string) error {
			all = append([]string{}, all...) // the SDK itself refuses none at all
			_, err := c.UpdateOpenIDConnectProviderThumbprint(ctx, &sdk.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: &arn, ThumbprintList: all})
			return err
		}
		five := []string{somePrint, strings.Repeat("1", 40), strings.Repeat("2", 40), strings.Repeat("3", 40), strings.Repeat("f", 40)}
		if err := set(five...); err != nil {
			t.Error(err)
		}
		equalNames(t, "thumbprints", get(t).ThumbprintList, five)
		refused(t, set(append(five, somePrint)...), 400, "InvalidInput", "Thumbprint list must contain fewer than 5 entries.")
		refused(t, set(), 400, "InvalidInput", "Thumbprint list must contain at least one entry.")
		if err := set(strings.Repeat("1", 40)); err != nil {
			t.Error(err)
		}
		equalNames(t, "thumbprints", get(t).ThumbprintList, []string{strings.Repeat("1", 40)})
	})
	t.Run("tags", func(t *testing.T) {
		must(c.TagOpenIDConnectProvider(ctx, &sdk.TagOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, Tags: sdkTags("KEY", "3", "key", "4")}))(t)
		must(c.UntagOpenIDConnectProvider(ctx, &sdk.UntagOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn, TagKeys: []string{"Key", "none"}}))(t)
		var all []string
		p := sdk.NewListOpenIDConnectProviderTagsPaginator(c, &sdk.ListOpenIDConnectProviderTagsInput{OpenIDConnectProviderArn: &arn, MaxItems: aws.Int32(1)})
		for p.HasMorePages() {
			all = append(all, textTags(must(p.NextPage(ctx))(t).Tags)...)
		}
		equalNames(t, "tags", all, []string{"KEY=3", "key=4"})
	})
	t.Run("listed, counted and deleted", func(t *testing.T) {
		checklist.Shows(t, "S2-129")
		equalNames(t, "providers", list(t), []string{arn})
		if n := must(c.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap["Providers"]; n != 1 {
			t.Errorf("the summary counts %d providers", n)
		}
		for range 2 {
			must(c.DeleteOpenIDConnectProvider(ctx, &sdk.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn}))(t)
			equalNames(t, "providers", list(t), nil)
		}
		_, err := c.GetOpenIDConnectProvider(ctx, &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &arn})
		refused(t, err, 404, "NoSuchEntity", "OpenIDConnect Provider not found for arn "+arn)
	})
}

// TestOIDCProviderURLs: what is no URL of a provider, and what is one.
func TestOIDCProviderURLs(t *testing.T) {
	w := newWorld(t)
	create := func(url string) error {
		_, err := w.root.CreateOpenIDConnectProvider(t.Context(), &sdk.CreateOpenIDConnectProviderInput{Url: &url, ThumbprintList: []string{somePrint}})
		return err
	}
	const say = "Invalid Open ID Connect Provider URL"
	t.Run("refused", func(t *testing.T) {
		for _, url := range []string{"example.com", "https://", "https:///x", "https:x", "https://user@example.com", "https://a b", "https://[::1]/", "https://example.com:0",
			"https://example.com:99999", "https://example.com:", "https://example.com:443:1", "https://example.com/a*b", "https://example.com/${x}", "https://exa_mple.com",
			"https://saml", "https://SAML/x", "https://-a.example", "https://a..b", "https://example.com/ä", "https://example.com/a:b", "https://example.com\\@x", "https://" + strings.Repeat("a", 64)} {
			w.t = t
			refused(t, create(url), 400, "ValidationError", say)
		}
		for _, url := range []string{"http://example.com", "HTTPS://example.com", "ftp://example.com"} {
			refused(t, create(url), 400, "InvalidInput", say+". The URL must begin with https://.")
		}
		for _, url := range []string{"https://example.com?x", "https://example.com/?", "https://example.com/#x"} {
			refused(t, create(url), 400, "InvalidInput", say+". The URL must not contain query parameters or a fragment.")
		}
	})
	t.Run("accepted", func(t *testing.T) {
		for _, url := range []string{"https://example.com", "https://example.com/", "https://example.com/a/b%20c", "https://Example.com", "https://10.0.0.1:8443/realms/x",
			"https://oidc.eks.us-east-1.amazonaws.com/id/ABC", "https://localhost:8443", "https://example.com/a,b;c=d"} {
			if err := create(url); err != nil {
				t.Errorf("%s: %v", url, err)
			}
		}
	})
	t.Run("once in an account", func(t *testing.T) {
		refused(t, create("https://example.com/"), 409, "EntityAlreadyExists", "Provider with url https://example.com/ already exists.")
	})
}

// TestThumbprintRetrieval: without thumbprints the provider is asked, after the decision and the other rules.
func TestThumbprintRetrieval(t *testing.T) {
	w := newWorld(t)
	furnishOIDC(w)
	var asked []string
	w.thumbprint = func(url string) (string, error) {
		asked = append(asked, url)
		if url == "https://broken.example" {
			return "", errors.New("connection refused by 10.0.0.1")
		}
		return somePrint, nil
	}
	create := func(c *sdk.Client, url string) error {
		_, err := c.CreateOpenIDConnectProvider(t.Context(), &sdk.CreateOpenIDConnectProviderInput{Url: &url})
		return err
	}
	if err := create(w.root, "https://new.example"); err != nil {
		t.Fatal(err)
	}
	p := must(w.root.GetOpenIDConnectProvider(t.Context(), &sdk.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(w.arn("oidc-provider/new.example"))}))(t)
	equalNames(t, "thumbprints", p.ThumbprintList, []string{somePrint})
	refused(t, create(w.root, "https://broken.example"), 400, "OpenIdIdpCommunicationError",
		"The request failed because IAM cannot connect to the OpenID Connect identity provider URL.")
	w.denied(create(w.user("caller"), "https://other.example"), "caller", "iam:CreateOpenIDConnectProvider", w.arn("oidc-provider/other.example"))
	refused(t, create(w.root, "http://other.example"), 400, "InvalidInput", "Invalid Open ID Connect Provider URL. The URL must begin with https://.")
	refused(t, create(w.root, "https://idp.example/team"), 409, "EntityAlreadyExists", "Provider with url https://idp.example/team already exists.")
	equalNames(t, "providers asked", asked, []string{"https://new.example", "https://broken.example"})
}

// TestOIDCProviderOfAnotherAccount: nobody reaches one from here, and whether there is one is not told.
func TestOIDCProviderOfAnotherAccount(t *testing.T) {
	w := newWorld(t)
	w.make(func(tx *directory.Tx) error {
		_, _, err := tx.CreateAccount(directory.NewAccount{ID: "999999999999"})
		if err == nil {
			_, err = tx.CreateOIDCProvider("999999999999", directory.NewOIDCProvider{URL: "https://idp.example", Thumbprints: []string{somePrint}})
		}
		return err
	})
	caller := w.user("caller", allow("*", "*"))
	for name, arn := range map[string]string{"there": "arn:aws:iam::999999999999:oidc-provider/idp.example", "not there": "arn:aws:iam::999999999999:oidc-provider/nothing.example"} {
		for who, c := range map[string]*sdk.Client{"root": w.root, "a user": caller} {
			for operation, do := range oidcCalls(t.Context(), c) {
				if err := do(arn); err == nil || !strings.Contains(err.Error(), "AccessDenied: ") {
					t.Errorf("%s by %s on one %s: %v", operation, who, name, err)
				}
			}
		}
	}
}

// TestOIDCProviderTagsDecide: aws:ResourceTag and aws:RequestTag are keys of providers; tagging at creation is a permission.
func TestOIDCProviderTagsDecide(t *testing.T) {
	w := newWorld(t)
	furnishOIDC(w)
	team, spare := w.arn("oidc-provider/idp.example/team"), w.arn("oidc-provider/spare.example")
	caller := w.user("caller", allow("iam:*", "*").when("StringEquals", "aws:ResourceTag/color", "blue"))
	get := oidcCalls(t.Context(), caller)["GetOpenIDConnectProvider"]
	if err := get(team); err != nil {
		t.Error(err)
	}
	w.denied(get(spare), "caller", "iam:GetOpenIDConnectProvider", spare)
	plain := w.user("plain", allow("iam:CreateOpenIDConnectProvider", "*"))
	create := func(c *sdk.Client, tag string) error {
		_, err := c.CreateOpenIDConnectProvider(t.Context(), &sdk.CreateOpenIDConnectProviderInput{Url: aws.String("https://t.example"), ThumbprintList: []string{somePrint}, Tags: sdkTags("team", tag)})
		return err
	}
	w.denied(create(plain, "red"), "plain", "iam:TagOpenIDConnectProvider", w.arn("oidc-provider/t.example"))
	tagger := w.user("tagger", allow("iam:*OpenIDConnectProvider", "*").when("StringEquals", "aws:RequestTag/team", "red"))
	w.denied(create(tagger, "blue"), "tagger", "iam:CreateOpenIDConnectProvider", w.arn("oidc-provider/t.example"))
	if err := create(tagger, "red"); err != nil {
		t.Error(err)
	}
}
