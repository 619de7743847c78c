package iam_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ostiary-iam/ostiary/internal/checklist"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/internal/store"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// equalCertificates compares two of the SDK's structures.
var equalCertificates = cmp.Options{equalShapes, cmpopts.IgnoreUnexported(types.ServerCertificate{}, types.ServerCertificateMetadata{})}

// uploadOf is the upload of a self-signed certificate.
func uploadOf(c *testenv.Certificate, name string) *sdk.UploadServerCertificateInput {
	return &sdk.UploadServerCertificateInput{ServerCertificateName: &name, CertificateBody: &c.Body, PrivateKey: &c.PEM}
}

func serverCertificatePermissions(w *world) []permission {
	site := aws.String("site")
	return []permission{
		{"UploadServerCertificate", "server-certificate/new/fresh", "", func(ctx context.Context, c *sdk.Client) error {
			in := uploadOf(stuff(w.t).own[2], "fresh")
			in.Path = aws.String("/new/")
			_, err := c.UploadServerCertificate(ctx, in)
			return err
		}},
		{"GetServerCertificate", "server-certificate/team/site", "server certificate site", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.GetServerCertificate(ctx, &sdk.GetServerCertificateInput{ServerCertificateName: site})
			return err
		}},
		{"ListServerCertificates", "server-certificate/", "", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListServerCertificates(ctx, &sdk.ListServerCertificatesInput{})
			return err
		}},
		{"UpdateServerCertificate", "server-certificate/team/site", "server certificate site", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UpdateServerCertificate(ctx, &sdk.UpdateServerCertificateInput{ServerCertificateName: site})
			return err
		}},
		{"DeleteServerCertificate", "server-certificate/spare", "server certificate spare", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.DeleteServerCertificate(ctx, &sdk.DeleteServerCertificateInput{ServerCertificateName: aws.String("spare")})
			return err
		}},
		{"TagServerCertificate", "server-certificate/team/site", "server certificate site", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.TagServerCertificate(ctx, &sdk.TagServerCertificateInput{ServerCertificateName: site, Tags: sdkTags("k", "v")})
			return err
		}},
		{"UntagServerCertificate", "server-certificate/team/site", "server certificate site", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.UntagServerCertificate(ctx, &sdk.UntagServerCertificateInput{ServerCertificateName: site, TagKeys: []string{"color"}})
			return err
		}},
		{"ListServerCertificateTags", "server-certificate/team/site", "server certificate site", func(ctx context.Context, c *sdk.Client) error {
			_, err := c.ListServerCertificateTags(ctx, &sdk.ListServerCertificateTagsInput{ServerCertificateName: site})
			return err
		}},
	}
}

func serverCertificateErrors(w *world) (all []apiError) {
	ctx, c, m := w.t.Context(), w.root, stuff(w.t)
	on := calls{
		"GetServerCertificate": func(target string) error {
			_, err := c.GetServerCertificate(ctx, &sdk.GetServerCertificateInput{ServerCertificateName: &target})
			return err
		},
		"UpdateServerCertificate": func(target string) error {
			_, err := c.UpdateServerCertificate(ctx, &sdk.UpdateServerCertificateInput{ServerCertificateName: &target, NewServerCertificateName: aws.String("SPARE")})
			return err
		},
		"DeleteServerCertificate": func(target string) error {
			_, err := c.DeleteServerCertificate(ctx, &sdk.DeleteServerCertificateInput{ServerCertificateName: &target})
			return err
		},
		"TagServerCertificate": func(target string) error {
			_, err := c.TagServerCertificate(ctx, &sdk.TagServerCertificateInput{ServerCertificateName: &target, Tags: sdkTags("k", "v")})
			return err
		},
		"UntagServerCertificate": func(target string) error {
			_, err := c.UntagServerCertificate(ctx, &sdk.UntagServerCertificateInput{ServerCertificateName: &target, TagKeys: []string{"k"}})
			return err
		},
		"ListServerCertificateTags": func(target string) error {
			_, err := c.ListServerCertificateTags(ctx, &sdk.ListServerCertificateTagsInput{ServerCertificateName: &target})
			return err
		},
	}
	for _, operation := range []string{"GetServerCertificate", "UpdateServerCertificate", "DeleteServerCertificate", "TagServerCertificate",
		"UntagServerCertificate", "ListServerCertificateTags"} {
		all = append(all, apiError{operation: operation, code: "NoSuchEntity", message: "The Server Certificate with name nothing cannot be found.",
			do: func() error { return on[operation]("nothing") }})
	}
	upload := func(in *sdk.UploadServerCertificateInput) func() error {
		return func() error { _, err := c.UploadServerCertificate(ctx, in); return err }
	}
	tagged := uploadOf(m.own[2], "fresh")
	tagged.Tags = sdkTags("key", "1", "key", "2")
	other := uploadOf(m.own[2], "fresh")
	other.PrivateKey = &m.own[1].PEM
	broken := "Unable to validate certificate chain. The certificate chain must start with the immediate signing certificate, followed by any " +
		"intermediaries in order. The index within the chain of the invalid certificate is: "
	chained := func(chain string) *sdk.UploadServerCertificateInput {
		in := uploadOf(m.chain, "fresh")
		if chain != "" {
			in.CertificateChain = &chain
		}
		return in
	}
	period := "The certificate is not valid at the time of upload: its validity period is from " + m.old.X509.NotBefore.UTC().Format("2006-01-02T15:04:05Z") +
		" to " + m.old.X509.NotAfter.UTC().Format("2006-01-02T15:04:05Z") + "."
	const operation, malformedCertificate = "UploadServerCertificate", "MalformedCertificate"
	return append(all,
		apiError{operation: operation, code: "EntityAlreadyExists", message: "The Server Certificate with name SITE already exists.", do: upload(uploadOf(m.own[2], "SITE"))},
		apiError{operation: operation, code: "InvalidInput", message: "Duplicate tag keys found.", do: upload(tagged)},
		apiError{operation: operation, code: "LimitExceeded", message: "Cannot exceed quota for ServerCertificatesPerAccount: 2",
			quota: directory.ServerCertificatesQuota, n: 2, do: upload(uploadOf(m.own[2], "fresh"))},
		apiError{operation: operation, code: "KeyPairMismatch", message: "The public key certificate and the private key do not match.", do: upload(other)},
		apiError{operation: operation, code: malformedCertificate, message: period, do: upload(uploadOf(m.old, "fresh"))},
		apiError{operation: operation, code: malformedCertificate, message: broken + "-1", do: upload(chained(""))},
		apiError{operation: operation, code: malformedCertificate, message: broken + "-1", do: upload(chained(m.root.Body + m.mid.Body))},
		apiError{operation: operation, code: malformedCertificate, message: broken + "0", do: upload(chained(m.mid.Body + m.own[0].Body))},
		apiError{operation: "UpdateServerCertificate", code: "EntityAlreadyExists", message: "The Server Certificate with name SPARE already exists.",
			do: func() error { return on["UpdateServerCertificate"]("site") }},
		apiError{operation: "DeleteServerCertificate", code: "DeleteConflict",
			message: "Certificate: " + w.certificateID("site") + " is currently in use by arn:aws:elasticache:us-east-1:1:x. Please remove it first before deleting it from IAM.",
			first: func() error {
				w.make(func(tx *directory.Tx) error {
					_, err := tx.UseServerCertificate(w.account, "site", "arn:aws:elasticache:us-east-1:1:x")
					return err
				})
				return nil
			},
			do: func() error { return on["DeleteServerCertificate"]("site") }},
		apiError{operation: "TagServerCertificate", code: "InvalidInput", message: "Duplicate tag keys found.", do: func() error {
			_, err := c.TagServerCertificate(ctx, &sdk.TagServerCertificateInput{ServerCertificateName: aws.String("site"), Tags: tagged.Tags})
			return err
		}},
		apiError{operation: "TagServerCertificate", code: "LimitExceeded", message: "Cannot exceed quota for TagsPerResource: 1",
			quota: directory.TagsPerResourceQuota, n: 1, do: func() error { return on["TagServerCertificate"]("site") }},
		apiError{operation: "ListServerCertificates", code: "ValidationError", message: "Invalid Marker.", do: func() error {
			_, err := c.ListServerCertificates(ctx, &sdk.ListServerCertificatesInput{Marker: aws.String("invented")})
			return err
		}})
}

var serverCertificatesCannot = map[string]map[string]string{
	"InvalidInput":  {"UntagServerCertificate": byConstraint},
	"LimitExceeded": {"DeleteServerCertificate": nothingGrows, "UpdateServerCertificate": nothingGrows},
}

// certificateID is the ID of a server certificate; empty where the world is not furnished.
func (w *world) certificateID(name string) string {
	if w.follower == nil {
		return ""
	}
	return w.storedCertificate(name).ID
}

func TestServerCertificateLifecycle(t *testing.T) {
	w := newWorld(t)
	ctx, m, c := t.Context(), stuff(t), w.root
	in := &sdk.UploadServerCertificateInput{ServerCertificateName: aws.String("Site"), Path: aws.String("/cloudfront/test/"), CertificateBody: &m.chain.Body,
		CertificateChain: aws.String(m.mid.Body + m.root.Body), PrivateKey: &m.chain.PEM, Tags: sdkTags("Key", "1", "key", "2")}
	up := must(c.UploadServerCertificate(ctx, in))(t)
	want := &types.ServerCertificateMetadata{Arn: aws.String(w.arn("server-certificate/cloudfront/test/Site")), Path: in.Path, ServerCertificateName: in.ServerCertificateName,
		Expiration: aws.Time(m.chain.X509.NotAfter.UTC()), ServerCertificateId: up.ServerCertificateMetadata.ServerCertificateId, UploadDate: up.ServerCertificateMetadata.UploadDate}
	get := func(name string) (*types.ServerCertificate, error) {
		out, err := c.GetServerCertificate(ctx, &sdk.GetServerCertificateInput{ServerCertificateName: &name})
		if err != nil {
			return nil, err
		}
		return out.ServerCertificate, nil
	}
	t.Run("uploaded", func(t *testing.T) {
		checklist.Shows(t, "S1-313", "S1-315", "S1-317", "S1-318", "S1-319", "S1-320", "S4-225", "S4-229", "S4-232")
		if diff := cmp.Diff(want, up.ServerCertificateMetadata, equalCertificates); diff != "" {
			t.Errorf("UploadServerCertificate (-want +got):\n%s", diff)
		}
		if id := *want.ServerCertificateId; !strings.HasPrefix(id, "ASCA") || len(id) != 21 {
			t.Errorf("ServerCertificateId is %s", id)
		}
		recent(t, "UploadDate", want.UploadDate)
		equalNames(t, "tags", textTags(up.Tags), textTags(in.Tags))
	})
	t.Run("read", func(t *testing.T) {
		checklist.Shows(t, "S1-313", "S1-321", "S1-323", "S4-231")
		got := must(get("SITE"))(t)
		full := &types.ServerCertificate{CertificateBody: in.CertificateBody, CertificateChain: in.CertificateChain, ServerCertificateMetadata: want, Tags: in.Tags}
		if diff := cmp.Diff(full, got, equalCertificates); diff != "" {
			t.Errorf("GetServerCertificate (-want +got):\n%s", diff)
		}
		list := must(c.ListServerCertificates(ctx, &sdk.ListServerCertificatesInput{}))(t).ServerCertificateMetadataList
		if diff := cmp.Diff([]types.ServerCertificateMetadata{*want}, list, equalCertificates); diff != "" {
			t.Errorf("ListServerCertificates (-want +got):\n%s", diff)
		}
	})
	t.Run("renamed and moved", func(t *testing.T) {
		checklist.Shows(t, "S1-324")
		must(c.UpdateServerCertificate(ctx, &sdk.UpdateServerCertificateInput{
			ServerCertificateName: aws.String("site"), NewServerCertificateName: aws.String("moved"), NewPath: aws.String("/cloudfront/")}))(t)
		_, err := get("Site")
		refused(t, err, 404, "NoSuchEntity", "The Server Certificate with name Site cannot be found.")
		got := must(get("moved"))(t).ServerCertificateMetadata
		if *got.Arn != w.arn("server-certificate/cloudfront/moved") || *got.ServerCertificateId != *want.ServerCertificateId {
			t.Errorf("%s is %s", *got.Arn, *got.ServerCertificateId)
		}
		must(c.UpdateServerCertificate(ctx, &sdk.UpdateServerCertificateInput{ServerCertificateName: aws.String("moved"), NewServerCertificateName: aws.String("MOVED")}))(t)
		if got := must(get("moved"))(t).ServerCertificateMetadata; *got.ServerCertificateName != "MOVED" {
			t.Errorf("in another case it is %s", *got.ServerCertificateName)
		}
	})
	t.Run("tags with case", func(t *testing.T) {
		name := aws.String("moved")
		must(c.TagServerCertificate(ctx, &sdk.TagServerCertificateInput{ServerCertificateName: name, Tags: sdkTags("KEY", "3", "key", "4")}))(t)
		must(c.UntagServerCertificate(ctx, &sdk.UntagServerCertificateInput{ServerCertificateName: name, TagKeys: []string{"Key", "missing"}}))(t)
		var got []string
		for p := sdk.NewListServerCertificateTagsPaginator(c, &sdk.ListServerCertificateTagsInput{ServerCertificateName: name, MaxItems: aws.Int32(1)}); p.HasMorePages(); {
			got = append(got, textTags(must(p.NextPage(ctx))(t).Tags)...)
		}
		equalNames(t, "tags", got, textTags(sdkTags("KEY", "3", "key", "4")))
	})
	t.Run("the private key", func(t *testing.T) {
		checklist.Shows(t, "S1-321", "S1-322")
		shown := 0
		err := w.store.View(ctx, func(r store.Reader) error {
			for e, err := range r.Range(nil) {
				if err != nil {
					return err
				}
				if bytes.Contains(e.Value, []byte("PRIVATE KEY")) || bytes.Contains(e.Value, []byte(m.chain.PEM[60:100])) {
					t.Errorf("the store holds the key under %q", e.Key)
				}
				shown++
			}
			return nil
		})
		if err != nil || shown < 5 {
			t.Errorf("%d records, %v", shown, err)
		}
		c := w.storedCertificate("moved")
		text, err := w.ring.Open(seal.PrivateKey, c.Sealed, []byte(c.ID))
		if err != nil || string(text) != m.chain.PEM {
			t.Errorf("a service cannot have it: %v", err)
		}
		if _, err := w.ring.Open(seal.PrivateKey, c.Sealed, []byte("ASCAOTHER")); err == nil {
			t.Error("it opens in another record")
		}
	})
	t.Run("deleted", func(t *testing.T) {
		checklist.Shows(t, "S1-324")
		must(c.DeleteServerCertificate(ctx, &sdk.DeleteServerCertificateInput{ServerCertificateName: aws.String("moved")}))(t)
		_, err := get("moved")
		refused(t, err, 404, "NoSuchEntity", "The Server Certificate with name moved cannot be found.")
		again := must(c.UploadServerCertificate(ctx, uploadOf(m.own[0], "moved")))(t)
		if *again.ServerCertificateMetadata.ServerCertificateId == *want.ServerCertificateId {
			t.Error("an ID came again with its name")
		}
		bare := must(get("moved"))(t)
		if bare.CertificateChain != nil || bare.Tags == nil || len(bare.Tags) != 0 || *bare.ServerCertificateMetadata.Path != "/" {
			t.Errorf("without chain, tags and path: %+v", bare)
		}
	})
}

// TestServerCertificateRefusals: what must not be uploaded is not, and the events of the attempts hold no key.
func TestServerCertificateRefusals(t *testing.T) {
	w := newWorld(t)
	m := stuff(t)
	for name, in := range map[string]*sdk.UploadServerCertificateInput{
		"S1-316 expired":      uploadOf(m.old, "x"),
		"S1-316 early":        uploadOf(m.early, "x"),
		"S1-317 encrypted":    {ServerCertificateName: aws.String("x"), CertificateBody: &m.own[0].Body, PrivateKey: aws.String(strings.ReplaceAll(m.own[0].PEM, "PRIVATE", "ENCRYPTED PRIVATE"))},
		"S1-317 not PEM":      {ServerCertificateName: aws.String("x"), CertificateBody: aws.String("MIIB"), PrivateKey: &m.own[0].PEM},
		"S1-315 of another":   {ServerCertificateName: aws.String("x"), CertificateBody: &m.own[0].Body, PrivateKey: &m.own[1].PEM},
		"S1-315 no chain":     uploadOf(m.chain, "x"),
		"S1-318 broken chain": {ServerCertificateName: aws.String("x"), CertificateBody: &m.chain.Body, PrivateKey: &m.chain.PEM, CertificateChain: &m.root.Body},
	} {
		t.Run(name, func(t *testing.T) {
			checklist.Shows(t, name[:6])
			_, err := w.root.UploadServerCertificate(t.Context(), in)
			if err == nil || !strings.Contains(err.Error(), "MalformedCertificate") && !strings.Contains(err.Error(), "KeyPairMismatch") {
				t.Errorf("answered %v", err)
			}
		})
	}
	if list := must(w.root.ListServerCertificates(t.Context(), &sdk.ListServerCertificatesInput{}))(t).ServerCertificateMetadataList; len(list) != 0 {
		t.Errorf("%d certificates are there", len(list))
	}
}

// TestPagesOfServerCertificates: by name, of a path, at most 20.
func TestPagesOfServerCertificates(t *testing.T) {
	w := newWorld(t)
	ctx, m := t.Context(), stuff(t)
	names := numbered("cert", 20)
	for i := range names {
		in := uploadOf(m.own[0], names[19-i])
		if i%2 == 0 {
			in.Path = aws.String("/odd/")
		}
		must(w.root.UploadServerCertificate(ctx, in))(t)
	}
	checklist.Shows(t, "S1-323", "S4-240")
	_, err := w.root.UploadServerCertificate(ctx, uploadOf(m.own[0], "one-more"))
	refused(t, err, 409, "LimitExceeded", "Cannot exceed quota for ServerCertificatesPerAccount: 20")
	summary := must(w.root.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{}))(t).SummaryMap
	if summary["ServerCertificates"] != 20 || summary["ServerCertificatesQuota"] != 20 {
		t.Errorf("the summary says %d of %d", summary["ServerCertificates"], summary["ServerCertificatesQuota"])
	}
	for prefix, want := range map[string]int{"/": 20, "/odd/": 10, "/od": 10, "/even/": 0} {
		for _, size := range []int32{3, 10, 100} {
			var got []string
			in := &sdk.ListServerCertificatesInput{PathPrefix: &prefix, MaxItems: &size}
			for p := sdk.NewListServerCertificatesPaginator(w.root, in); p.HasMorePages(); {
				for _, c := range must(p.NextPage(ctx))(t).ServerCertificateMetadataList {
					got = append(got, *c.ServerCertificateName)
				}
			}
			var expected []string
			for i, name := range names {
				if want == 20 || want == 10 && i%2 == 1 {
					expected = append(expected, name)
				}
			}
			equalNames(t, prefix, got, expected)
		}
	}
}

// TestServerCertificateConditions: tags of the request and of the certificate, and permission on both ends of a move.
func TestServerCertificateConditions(t *testing.T) {
	w := newWorld(t)
	furnishKeys(w)
	ctx, m := t.Context(), stuff(t)
	caller := w.user("caller", allow("iam:UploadServerCertificate", "*"))
	in := uploadOf(m.own[2], "fresh")
	in.Tags = sdkTags("color", "red")
	_, err := caller.UploadServerCertificate(ctx, in)
	w.denied(err, "caller", "iam:TagServerCertificate", w.arn("server-certificate/fresh"))
	w.grant("caller", allow("iam:*ServerCertificate*", "*").when("StringEquals", "aws:RequestTag/color", "red"))
	must(caller.UploadServerCertificate(ctx, in))(t)

	w.grant("caller", allow("iam:*ServerCertificate*", "*").when("StringEquals", "aws:ResourceTag/color", "blue"))
	must(caller.GetServerCertificate(ctx, &sdk.GetServerCertificateInput{ServerCertificateName: aws.String("site")}))(t)
	_, err = caller.GetServerCertificate(ctx, &sdk.GetServerCertificateInput{ServerCertificateName: aws.String("spare")})
	w.denied(err, "caller", "iam:GetServerCertificate", "server certificate spare")
	w.grant("caller", allow("iam:*ServerCertificate*", "*").when("StringEquals", "iam:ResourceTag/color", "blue")) // a key of users and roles
	_, err = caller.GetServerCertificate(ctx, &sdk.GetServerCertificateInput{ServerCertificateName: aws.String("site")})
	w.denied(err, "caller", "iam:GetServerCertificate", "server certificate site")

	move := func(name, path *string) error {
		_, err := caller.UpdateServerCertificate(ctx, &sdk.UpdateServerCertificateInput{ServerCertificateName: aws.String("site"), NewServerCertificateName: name, NewPath: path})
		return err
	}
	w.grant("caller", allow("iam:UpdateServerCertificate", w.arn("server-certificate/team/*")))
	w.denied(move(nil, aws.String("/other/")), "caller", "iam:UpdateServerCertificate", "server certificate site")
	w.denied(move(aws.String("new"), aws.String("/")), "caller", "iam:UpdateServerCertificate", "server certificate new")
	if err := move(aws.String("new"), nil); err != nil {
		t.Errorf("inside the path: %v", err)
	}
	w.grant("caller", allow("iam:ListServerCertificates", w.arn("server-certificate/team/*")))
	_, err = caller.ListServerCertificates(ctx, &sdk.ListServerCertificatesInput{})
	w.denied(err, "caller", "iam:ListServerCertificates", w.arn("server-certificate/"))
	must(caller.ListServerCertificates(ctx, &sdk.ListServerCertificatesInput{PathPrefix: aws.String("/team/")}))(t)
}

// storedCertificate is the record of a server certificate.
func (w *world) storedCertificate(name string) *entity.ServerCertificate {
	w.t.Helper()
	var c *entity.ServerCertificate
	w.make(func(tx *directory.Tx) (err error) {
		if c, err = tx.UseServerCertificate(w.account, name, "x"); err == nil {
			err = tx.ReleaseServerCertificate(w.account, name, "x")
		}
		return err
	})
	return c
}
