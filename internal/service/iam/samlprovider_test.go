package iam_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/federation/saml"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

const idpName = "https://idp.example.com"

// metadata is the document of the tests' identity provider.
func metadata(t testing.TB) string { return samltest.New(idpName).Metadata() }

// decryptionKey is a private key as PEM.
func decryptionKey(t testing.TB) *string {
	return aws.String(samltest.PEM(samltest.RSAKey("decryption")))
}

// furnishSAML adds to a scene the provider corp with one private key, tagged color=blue.
func furnishSAML(w *world) {
	w.t.Helper()
	w.scene()
	document := metadata(w.t)
	parsed, err := saml.ParseMetadata(document, time.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	w.make(func(tx *directory.Tx) error {
		_, err := tx.CreateSAMLProvider(w.account, directory.NewSAMLProvider{
			Name: "corp", Metadata: directory.SAMLMetadata{Document: document, Parsed: parsed}, EncryptionMode: "Required",
			PrivateKey: secret.New(*decryptionKey(w.t)), Tags: []entity.Tag{{Key: "color", Value: "blue"}},
		})
		return err
	})
}

// samlCalls are the operations on one provider by ARN.
func samlCalls(w *world) calls {
	ctx, c := w.t.Context(), w.root
	return calls{
		"GetSAMLProvider": func(target string) error {
			_, err := c.GetSAMLProvider(ctx, &sdk.GetSAMLProviderInput{SAMLProviderArn: &target})
			return err
		},
		"UpdateSAMLProvider": func(target string) error {
			_, err := c.UpdateSAMLProvider(ctx, &sdk.UpdateSAMLProviderInput{SAMLProviderArn: &target, SAMLMetadataDocument: aws.String(metadata(w.t))})
			return err
		},
		"DeleteSAMLProvider": func(target string) error {
			_, err := c.DeleteSAMLProvider(ctx, &sdk.DeleteSAMLProviderInput{SAMLProviderArn: &target})
			return err
		},
		"TagSAMLProvider": func(target string) error {
			_, err := c.TagSAMLProvider(ctx, &sdk.TagSAMLProviderInput{SAMLProviderArn: &target, Tags: sdkTags("k", "v")})
			return err
		},
		"UntagSAMLProvider": func(target string) error {
			_, err := c.UntagSAMLProvider(ctx, &sdk.UntagSAMLProviderInput{SAMLProviderArn: &target, TagKeys: []string{"k"}})
			return err
		},
		"ListSAMLProviderTags": func(target string) error {
			_, err := c.ListSAMLProviderTags(ctx, &sdk.ListSAMLProviderTagsInput{SAMLProviderArn: &target})
			return err
		},
	}
}

func samlPermissions(w *world) []permission {
	corp := aws.String(w.arn("saml-provider/corp"))
	return []permission{
		{"CreateSAMLProvider", "saml-provider/fresh", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.CreateSAMLProvider(ctx, &sdk.CreateSAMLProviderInput{Name: aws.String("fresh"), SAMLMetadataDocument: aws.String(metadata(w.t))})
			return err
		}},
		{"GetSAMLProvider", "saml-provider/corp", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetSAMLProvider(ctx, &sdk.GetSAMLProviderInput{SAMLProviderArn: corp})
			return err
		}},
		{"ListSAMLProviders", "*", "*", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListSAMLProviders(ctx, &sdk.ListSAMLProvidersInput{})
			return err
		}},
		{"UpdateSAMLProvider", "saml-provider/corp", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateSAMLProvider(ctx, &sdk.UpdateSAMLProviderInput{SAMLProviderArn: corp, AssertionEncryptionMode: types.AssertionEncryptionModeTypeAllowed})
			return err
		}},
		{"DeleteSAMLProvider", "saml-provider/corp", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteSAMLProvider(ctx, &sdk.DeleteSAMLProviderInput{SAMLProviderArn: corp})
			return err
		}},
		{"TagSAMLProvider", "saml-provider/corp", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.TagSAMLProvider(ctx, &sdk.TagSAMLProviderInput{SAMLProviderArn: corp, Tags: sdkTags("k", "v")})
			return err
		}},
		{"UntagSAMLProvider", "saml-provider/corp", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UntagSAMLProvider(ctx, &sdk.UntagSAMLProviderInput{SAMLProviderArn: corp, TagKeys: []string{"color"}})
			return err
		}},
		{"ListSAMLProviderTags", "saml-provider/corp", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListSAMLProviderTags(ctx, &sdk.ListSAMLProviderTagsInput{SAMLProviderArn: corp})
			return err
		}},
	}
}

// samlErrors are the errors of the model for SAML providers.
func samlErrors(w *world) (all []apiError) {
	ctx, c, call := w.t.Context(), w.root, samlCalls(w)
	corp, nothing := w.arn("saml-provider/corp"), w.arn("saml-provider/nothing")
	for operation, do := range call {
		all = append(all,
			apiError{operation: operation, code: "NoSuchEntity", message: "Manifest not found for arn " + nothing, do: func() error { return do(nothing) }},
			apiError{operation: operation, code: "InvalidInput", message: "ARN " + w.arn("oidc-provider/corp") + " is not valid.",
				do: func() error { return do(w.arn("oidc-provider/corp")) }})
	}
	create := func(change func(*sdk.CreateSAMLProviderInput)) func() error {
		return func() error {
			in := &sdk.CreateSAMLProviderInput{Name: aws.String("fresh"), SAMLMetadataDocument: aws.String(metadata(w.t))}
			change(in)
			_, err := c.CreateSAMLProvider(ctx, in)
			return err
		}
	}
	update := func(in sdk.UpdateSAMLProviderInput) func() error {
		in.SAMLProviderArn = &corp
		return func() error { _, err := c.UpdateSAMLProvider(ctx, &in); return err }
	}
	twice, nowhere := sdkTags("key", "1", "key", "2"), aws.String(strings.Repeat("A", 26))
	broken := aws.String(strings.Repeat("<a/>", 300))
	const (
		badMetadata = "Could not parse metadata."
		noKey       = "Unable to set assertion encryption mode to Required because no private key is provided."
		badKey      = "Invalid private key."
	)
	return append(all,
		apiError{operation: "CreateSAMLProvider", code: "EntityAlreadyExists", message: "SAMLProvider with name CORP already exists.",
			do: create(func(in *sdk.CreateSAMLProviderInput) { in.Name = aws.String("CORP") })},
		apiError{operation: "CreateSAMLProvider", code: "InvalidInput", message: badMetadata,
			do: create(func(in *sdk.CreateSAMLProviderInput) { in.SAMLMetadataDocument = broken })},
		apiError{operation: "CreateSAMLProvider", code: "InvalidInput", message: badKey,
			do: create(func(in *sdk.CreateSAMLProviderInput) { in.AddPrivateKey = aws.String("key") })},
		apiError{operation: "CreateSAMLProvider", code: "InvalidInput", message: noKey,
			do: create(func(in *sdk.CreateSAMLProviderInput) { in.AssertionEncryptionMode = "Required" })},
		apiError{operation: "CreateSAMLProvider", code: "InvalidInput", message: "Duplicate tag keys found.",
			do: create(func(in *sdk.CreateSAMLProviderInput) { in.Tags = twice })},
		apiError{operation: "CreateSAMLProvider", code: "LimitExceeded", message: "Cannot exceed quota for SAMLProvidersPerAccount: 1",
			quota: directory.SAMLProvidersQuota, n: 1, do: create(func(*sdk.CreateSAMLProviderInput) {})},
		apiError{operation: "CreateSAMLProvider", code: "LimitExceeded", message: "Cannot exceed quota for KeysPerSAMLProvider: 1",
			quota: directory.KeysPerSAMLProviderQuota, n: 1, do: create(func(in *sdk.CreateSAMLProviderInput) {
				in.SAMLMetadataDocument = aws.String(samltest.New(idpName).Metadata(samltest.New("other").Certificate))
			})},
		apiError{operation: "CreateSAMLProvider", code: "LimitExceeded", message: "Cannot exceed quota for IdPsPerSAMLProvider: 0",
			quota: directory.IdPsPerSAMLProviderQuota, n: 0, do: create(func(*sdk.CreateSAMLProviderInput) {})},
		apiError{operation: "UpdateSAMLProvider", code: "InvalidInput", message: badMetadata, do: update(sdk.UpdateSAMLProviderInput{SAMLMetadataDocument: broken})},
		apiError{operation: "UpdateSAMLProvider", code: "InvalidInput", message: badKey, do: update(sdk.UpdateSAMLProviderInput{AddPrivateKey: aws.String("key")})},
		apiError{operation: "UpdateSAMLProvider", code: "InvalidInput",
			message: "Unable to update identity provider. No updates are defined for metadata or encryption assertion.", do: update(sdk.UpdateSAMLProviderInput{})},
		apiError{operation: "UpdateSAMLProvider", code: "InvalidInput",
			message: "Unable to add and remove private keys in the same request. Set a value for only one of the two parameters.",
			do:      update(sdk.UpdateSAMLProviderInput{AddPrivateKey: decryptionKey(w.t), RemovePrivateKey: nowhere})},
		apiError{operation: "UpdateSAMLProvider", code: "InvalidInput",
			message: "Failed to remove private key because the Key ID does not match a private key.", do: update(sdk.UpdateSAMLProviderInput{RemovePrivateKey: nowhere})},
		apiError{operation: "UpdateSAMLProvider", code: "InvalidInput", message: "Failed to remove private key.", do: func() error {
			got, err := c.GetSAMLProvider(ctx, &sdk.GetSAMLProviderInput{SAMLProviderArn: &corp})
			if err != nil {
				return err
			}
			return update(sdk.UpdateSAMLProviderInput{RemovePrivateKey: got.PrivateKeyList[0].KeyId})()
		}},
		apiError{operation: "UpdateSAMLProvider", code: "LimitExceeded", message: "Private key limit of 2 is reached.",
			first: update(sdk.UpdateSAMLProviderInput{AddPrivateKey: decryptionKey(w.t)}), do: update(sdk.UpdateSAMLProviderInput{AddPrivateKey: decryptionKey(w.t)})},
		apiError{operation: "TagSAMLProvider", code: "InvalidInput", message: "Duplicate tag keys found.", do: func() error {
			_, err := c.TagSAMLProvider(ctx, &sdk.TagSAMLProviderInput{SAMLProviderArn: &corp, Tags: twice})
			return err
		}},
		apiError{operation: "TagSAMLProvider", code: "LimitExceeded", message: "Cannot exceed quota for TagsPerResource: 1",
			quota: directory.TagsPerResourceQuota, n: 1, do: func() error { return call["TagSAMLProvider"](corp) }})
}

var samlCannot = map[string]map[string]string{"LimitExceeded": {"DeleteSAMLProvider": nothingGrows}}

func TestSAMLProviderLifecycle(t *testing.T) {
	w := newWorld(t)
	ctx, c, arn := t.Context(), w.root, aws.String(w.arn("saml-provider/Corp.SSO_1-a"))
	idp := samltest.New(idpName)
	until := time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second)
	first := samltest.Entity(idp.EntityID, ` validUntil="`+until.Format(time.RFC3339)+`"`, idp.Certificate)

	made := must(c.CreateSAMLProvider(ctx, &sdk.CreateSAMLProviderInput{
		Name: aws.String("Corp.SSO_1-a"), SAMLMetadataDocument: &first, Tags: sdkTags("b", "2", "a", "1")}))(t)
	if *made.SAMLProviderArn != *arn || fmt.Sprint(textTags(made.Tags)) != "[b=2 a=1]" {
		t.Errorf("made %s with %v", *made.SAMLProviderArn, textTags(made.Tags))
	}
	get := func() *sdk.GetSAMLProviderOutput {
		t.Helper()
		return must(c.GetSAMLProvider(ctx, &sdk.GetSAMLProviderInput{SAMLProviderArn: arn}))(t)
	}
	t.Run("read", func(t *testing.T) {
		checklist.Shows(t, "S2-162", "S2-163", "S2-164", "S2-165", "S3-416")
		got := get()
		recent(t, "CreateDate", got.CreateDate)
		want := &sdk.GetSAMLProviderOutput{CreateDate: got.CreateDate, SAMLMetadataDocument: &first, SAMLProviderUUID: got.SAMLProviderUUID,
			Tags: sdkTags("b", "2", "a", "1"), ValidUntil: &until}
		if diff := cmp.Diff(want, got, equalShapes, cmpopts.IgnoreFields(sdk.GetSAMLProviderOutput{}, "ResultMetadata"), cmpopts.IgnoreUnexported(sdk.GetSAMLProviderOutput{})); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if id := aws.ToString(got.SAMLProviderUUID); len(id) < 22 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			t.Errorf("SAMLProviderUUID is %q", id)
		}
		list := must(c.ListSAMLProviders(ctx, &sdk.ListSAMLProvidersInput{}))(t).SAMLProviderList
		if diff := cmp.Diff([]types.SAMLProviderListEntry{{Arn: arn, CreateDate: got.CreateDate, ValidUntil: &until}}, list, cmpopts.IgnoreUnexported(types.SAMLProviderListEntry{})); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
	})
	t.Run("update metadata", func(t *testing.T) {
		checklist.Shows(t, "S2-162", "S3-413")
		before := get()
		next := samltest.New("https://next.example.com").Metadata(idp.Certificate)
		out := must(c.UpdateSAMLProvider(ctx, &sdk.UpdateSAMLProviderInput{SAMLProviderArn: arn, SAMLMetadataDocument: &next}))(t)
		got := get()
		if *out.SAMLProviderArn != *arn || *got.SAMLMetadataDocument != next || *got.SAMLProviderUUID != *before.SAMLProviderUUID {
			t.Errorf("updated to %+v", got)
		}
		if years := time.Until(*got.ValidUntil).Hours() / 24 / 365; years < 99 || years > 101 {
			t.Errorf("metadata without an end is valid until %v", got.ValidUntil)
		}
		if _, err := saml.ParseMetadata(*got.SAMLMetadataDocument, time.Now()); err != nil {
			t.Error(err)
		}
	})
	t.Run("private keys", func(t *testing.T) {
		key := decryptionKey(t)
		must(c.UpdateSAMLProvider(ctx, &sdk.UpdateSAMLProviderInput{SAMLProviderArn: arn, AddPrivateKey: key, AssertionEncryptionMode: "Required"}))(t)
		must(c.UpdateSAMLProvider(ctx, &sdk.UpdateSAMLProviderInput{SAMLProviderArn: arn, AddPrivateKey: key}))(t)
		got := get()
		if got.AssertionEncryptionMode != "Required" || len(got.PrivateKeyList) != 2 || *got.PrivateKeyList[0].KeyId == *got.PrivateKeyList[1].KeyId {
			t.Fatalf("mode %s, keys %v", got.AssertionEncryptionMode, got.PrivateKeyList)
		}
		recent(t, "Timestamp", got.PrivateKeyList[0].Timestamp)
		older, newer := got.PrivateKeyList[0].KeyId, got.PrivateKeyList[1].KeyId
		must(c.UpdateSAMLProvider(ctx, &sdk.UpdateSAMLProviderInput{SAMLProviderArn: arn, RemovePrivateKey: older}))(t)
		must(c.UpdateSAMLProvider(ctx, &sdk.UpdateSAMLProviderInput{SAMLProviderArn: arn, RemovePrivateKey: newer, AssertionEncryptionMode: "Allowed"}))(t)
		if got = get(); got.AssertionEncryptionMode != "Allowed" || len(got.PrivateKeyList) != 0 {
			t.Errorf("mode %s, keys %v", got.AssertionEncryptionMode, got.PrivateKeyList)
		}
		// Nothing of the key is anywhere but under the seal.
		line := []byte(strings.Split(*key, "\n")[3])
		for _, e := range w.events() {
			if bytes.Contains(e, line) {
				t.Errorf("an event shows the key: %s", e)
			}
		}
	})
	t.Run("tags", func(t *testing.T) {
		must(c.TagSAMLProvider(ctx, &sdk.TagSAMLProviderInput{SAMLProviderArn: arn, Tags: sdkTags("A", "3", "b", "4")}))(t)
		page := must(c.ListSAMLProviderTags(ctx, &sdk.ListSAMLProviderTagsInput{SAMLProviderArn: arn, MaxItems: aws.Int32(2)}))(t)
		rest := must(c.ListSAMLProviderTags(ctx, &sdk.ListSAMLProviderTagsInput{SAMLProviderArn: arn, Marker: page.Marker}))(t)
		if got := fmt.Sprint(textTags(page.Tags), page.IsTruncated, textTags(rest.Tags), rest.IsTruncated); got != "[A=3 a=1] true [b=4] false" {
			t.Errorf("tags are %s", got)
		}
		must(c.UntagSAMLProvider(ctx, &sdk.UntagSAMLProviderInput{SAMLProviderArn: arn, TagKeys: []string{"A", "nothing"}}))(t)
		if got := fmt.Sprint(textTags(get().Tags)); got != "[b=4 a=1]" {
			t.Errorf("tags are %s", got)
		}
	})
	t.Run("delete", func(t *testing.T) {
		checklist.Shows(t, "S2-162")
		federated := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"` + *arn + `"},"Action":"sts:AssumeRoleWithSAML"}]}`
		must(c.CreateRole(ctx, &sdk.CreateRoleInput{RoleName: aws.String("sso"), AssumeRolePolicyDocument: &federated}))(t)
		id := get().SAMLProviderUUID
		must(c.DeleteSAMLProvider(ctx, &sdk.DeleteSAMLProviderInput{SAMLProviderArn: arn}))(t)
		_, err := c.GetSAMLProvider(ctx, &sdk.GetSAMLProviderInput{SAMLProviderArn: arn})
		refused(t, err, 404, "NoSuchEntity", "Manifest not found for arn "+*arn)
		role := must(c.GetRole(ctx, &sdk.GetRoleInput{RoleName: aws.String("sso")}))(t).Role
		if text, _ := url.QueryUnescape(*role.AssumeRolePolicyDocument); !strings.Contains(text, *arn) {
			t.Errorf("the role trusts %s", text)
		}
		must(c.CreateSAMLProvider(ctx, &sdk.CreateSAMLProviderInput{Name: aws.String("Corp.SSO_1-a"), SAMLMetadataDocument: &first}))(t)
		if *get().SAMLProviderUUID == *id {
			t.Error("a provider made again has the old one's ID")
		}
	})
}

// TestSAMLProviderOfOthers: the provider of another account is out of reach, for its root user too.
func TestSAMLProviderOfOthers(t *testing.T) {
	w := newWorld(t)
	furnishSAML(w)
	foreign := "arn:aws:iam::999999999999:saml-provider/corp"
	for operation, do := range samlCalls(w) {
		t.Run(operation, func(t *testing.T) {
			if err := do(foreign); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
				t.Errorf("got %v", err)
			}
		})
	}
	_, err := w.root.GetSAMLProvider(t.Context(), &sdk.GetSAMLProviderInput{SAMLProviderArn: aws.String(w.arn("saml-provider/CORP"))})
	refused(t, err, 404, "NoSuchEntity", "Manifest not found for arn "+w.arn("saml-provider/CORP"))
}

// TestSAMLProviderTagKeys: tags decide who may do what with a provider.
func TestSAMLProviderTagKeys(t *testing.T) {
	w := newWorld(t)
	furnishSAML(w)
	arn := aws.String(w.arn("saml-provider/corp"))
	blue := w.user("blue", allow("iam:*SAML*", "*").when("StringEquals", "aws:ResourceTag/color", "blue"))
	red := w.user("red", allow("iam:*SAML*", "*").when("StringEquals", "aws:ResourceTag/color", "red"))
	must(blue.GetSAMLProvider(t.Context(), &sdk.GetSAMLProviderInput{SAMLProviderArn: arn}))(t)
	_, err := red.GetSAMLProvider(t.Context(), &sdk.GetSAMLProviderInput{SAMLProviderArn: arn})
	w.denied(err, "red", "iam:GetSAMLProvider", *arn)
	maker := w.user("maker", allow("iam:CreateSAMLProvider", "*"))
	in := &sdk.CreateSAMLProviderInput{Name: aws.String("fresh"), SAMLMetadataDocument: aws.String(metadata(t)), Tags: sdkTags("k", "v")}
	_, err = maker.CreateSAMLProvider(t.Context(), in)
	w.denied(err, "maker", "iam:TagSAMLProvider", w.arn("saml-provider/fresh"))
	w.grant("maker", allow("iam:CreateSAMLProvider", "*"), allow("iam:TagSAMLProvider", "*").when("StringEquals", "aws:RequestTag/k", "v"))
	must(maker.CreateSAMLProvider(t.Context(), in))(t)
}

// TestLargeMetadata: documents up to the model's 10,000,000 characters are taken as long as they can be stored.
func TestLargeMetadata(t *testing.T) {
	w := newWorld(t)
	document := metadata(t)
	large := document + "<!--" + strings.Repeat("x", saml.MaxMetadata-len(document)-7) + "-->"
	create := func(text string) error {
		_, err := w.root.CreateSAMLProvider(t.Context(), &sdk.CreateSAMLProviderInput{Name: aws.String("large"), SAMLMetadataDocument: &text})
		return err
	}
	if err := create(large); err != nil {
		t.Fatal(err)
	}
	got := must(w.root.GetSAMLProvider(t.Context(), &sdk.GetSAMLProviderInput{SAMLProviderArn: aws.String(w.arn("saml-provider/large"))}))(t)
	if *got.SAMLMetadataDocument != large {
		t.Errorf("the document of %d bytes came back with %d", len(large), len(*got.SAMLMetadataDocument))
	}
	var noise bytes.Buffer // that cannot be deflated
	for i := 0; noise.Len() < 2_000_000; i++ {
		sum := sha256.Sum256(fmt.Append(nil, i))
		noise.WriteString(base64.StdEncoding.EncodeToString(sum[:]))
	}
	refused(t, create(document+"<!--"+noise.String()+"-->"), 409, "LimitExceeded", "The SAML metadata document is too large to be stored.")
	if err := create(large + " "); err == nil || !strings.Contains(err.Error(), "less than or equal to 10000000") {
		t.Errorf("got %v", err)
	}
}
