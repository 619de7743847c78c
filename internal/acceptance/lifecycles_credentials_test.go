package acceptance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/ostiary-iam/ostiary/internal/credential"
	"github.com/ostiary-iam/ostiary/internal/federation/samltest"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/testenv"
)

// credentialResources are what a user signs in, signs and proves with.
func credentialResources(t *testing.T, c *caller) map[string]resource {
	ctx, user := t.Context(), aws.String("target")
	var key, service *string // the IDs of this life
	activity := func(status types.StatusType) attributes { return attributes{"status": string(status)} }
	return map[string]resource{
		"aws_iam_access_key": {
			create: func() error {
				out, err := c.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: user})
				if err == nil {
					key = out.AccessKey.AccessKeyId
				}
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: user})
				if err != nil {
					return nil, err
				}
				for _, k := range out.AccessKeyMetadata {
					if *k.AccessKeyId == aws.ToString(key) {
						return activity(k.Status), nil
					}
				}
				return nil, errNotListed
			},
			created: activity("Active"), updated: activity("Inactive"), again: "NoSuchEntity",
			update: func() error {
				_, err := c.iam.UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{UserName: user, AccessKeyId: key, Status: "Inactive"})
				return err
			},
			delete: func() error {
				_, err := c.iam.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: key})
				return err
			},
		},
		"aws_iam_user_login_profile": {
			create: func() error {
				_, err := c.iam.CreateLoginProfile(ctx, &iam.CreateLoginProfileInput{UserName: user, Password: aws.String("Correct-horse-9"), PasswordResetRequired: true})
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.GetLoginProfile(ctx, &iam.GetLoginProfileInput{UserName: user})
				if err != nil {
					return nil, err
				}
				return attributes{"password_reset_required": fmt.Sprint(out.LoginProfile.PasswordResetRequired)}, nil
			},
			created: attributes{"password_reset_required": "true"}, updated: attributes{"password_reset_required": "false"}, again: "NoSuchEntity",
			update: func() error {
				_, err := c.iam.UpdateLoginProfile(ctx, &iam.UpdateLoginProfileInput{UserName: user, Password: aws.String("Battery-staple-8"), PasswordResetRequired: aws.Bool(false)})
				return err
			},
			delete: func() error {
				_, err := c.iam.DeleteLoginProfile(ctx, &iam.DeleteLoginProfileInput{UserName: user})
				return err
			},
		},
		"aws_iam_service_specific_credential": {
			create: func() error {
				out, err := c.iam.CreateServiceSpecificCredential(ctx, &iam.CreateServiceSpecificCredentialInput{UserName: user, ServiceName: aws.String("codecommit.amazonaws.com")})
				if err == nil {
					service = out.ServiceSpecificCredential.ServiceSpecificCredentialId
				}
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.ListServiceSpecificCredentials(ctx, &iam.ListServiceSpecificCredentialsInput{UserName: user, ServiceName: aws.String("codecommit.amazonaws.com")})
				if err != nil {
					return nil, err
				}
				for _, s := range out.ServiceSpecificCredentials {
					if *s.ServiceSpecificCredentialId == aws.ToString(service) {
						return attributes{"status": string(s.Status), "service_user_name": strings.Split(*s.ServiceUserName, "-at-")[0]}, nil
					}
				}
				return nil, errNotListed
			},
			created: attributes{"status": "Active", "service_user_name": "target"}, updated: attributes{"status": "Inactive", "service_user_name": "target"}, again: "NoSuchEntity",
			update: func() error {
				_, err := c.iam.UpdateServiceSpecificCredential(ctx, &iam.UpdateServiceSpecificCredentialInput{UserName: user, ServiceSpecificCredentialId: service, Status: "Inactive"})
				return err
			},
			delete: func() error {
				_, err := c.iam.DeleteServiceSpecificCredential(ctx, &iam.DeleteServiceSpecificCredentialInput{UserName: user, ServiceSpecificCredentialId: service})
				return err
			},
		},
	}
}

// mfaResources are a virtual device, and its being enabled for a user.
func mfaResources(t *testing.T, c *caller, account string) map[string]resource {
	ctx, user, serial := t.Context(), aws.String("target"), "arn:aws:iam::"+account+":mfa/phone"
	read := func() (types.VirtualMFADevice, error) {
		for p := iam.NewListVirtualMFADevicesPaginator(c.iam, &iam.ListVirtualMFADevicesInput{}); p.HasMorePages(); {
			out, err := p.NextPage(ctx)
			if err != nil {
				return types.VirtualMFADevice{}, err
			}
			for _, d := range out.VirtualMFADevices {
				if *d.SerialNumber == serial {
					return d, nil
				}
			}
		}
		return types.VirtualMFADevice{}, errNotListed
	}
	var seed []byte
	return map[string]resource{
		"aws_iam_virtual_mfa_device": {
			create: func() error {
				out, err := c.iam.CreateVirtualMFADevice(ctx, &iam.CreateVirtualMFADeviceInput{VirtualMFADeviceName: aws.String("phone"), Tags: tags("k", "1")})
				if err == nil {
					seed = out.VirtualMFADevice.Base32StringSeed
				}
				return err
			},
			read: func() (attributes, error) {
				d, err := read()
				if err != nil {
					return nil, err
				}
				out, err := c.iam.ListMFADeviceTags(ctx, &iam.ListMFADeviceTagsInput{SerialNumber: &serial})
				if err != nil {
					return nil, err
				}
				got := attributes{"tags": text(out.Tags), "user": ""}
				if d.User != nil {
					got["user"] = text(d.User.UserName)
				}
				return got, nil
			},
			created: attributes{"tags": `{"k":"1"}`, "user": ""}, updated: attributes{"tags": `{"k":"2"}`, "user": "target"}, again: "NoSuchEntity",
			update: func() error {
				if _, err := c.iam.TagMFADevice(ctx, &iam.TagMFADeviceInput{SerialNumber: &serial, Tags: tags("k", "2")}); err != nil {
					return err
				}
				s, err := credential.ParseSeed(secret.New(string(seed)))
				if err != nil {
					return err
				}
				step := credential.StepAt(time.Now())
				_, err = c.iam.EnableMFADevice(ctx, &iam.EnableMFADeviceInput{UserName: user, SerialNumber: &serial,
					AuthenticationCode1: aws.String(credential.Code(s, step-1).Reveal()), AuthenticationCode2: aws.String(credential.Code(s, step).Reveal())})
				return err
			},
			delete: func() error {
				_, err := c.iam.DeactivateMFADevice(ctx, &iam.DeactivateMFADeviceInput{UserName: user, SerialNumber: &serial})
				if err == nil {
					_, err = c.iam.DeleteVirtualMFADevice(ctx, &iam.DeleteVirtualMFADeviceInput{SerialNumber: &serial})
				}
				return err
			},
		},
	}
}

// certificateResources are SSH keys, signing certificates and server certificates.
func certificateResources(t *testing.T, c *caller, account string) map[string]resource {
	ctx, user, site, moved := t.Context(), aws.String("target"), aws.String("site"), aws.String("moved")
	line := testenv.SSHKey(t, 2048)
	own := testenv.Issue(t, testenv.CertificateOf{Name: "own"})
	root := testenv.Issue(t, testenv.CertificateOf{Name: "root", CA: true})
	leaf := testenv.Issue(t, testenv.CertificateOf{Name: "leaf", By: root})
	var key, signing, name *string // of this life
	return map[string]resource{
		"aws_iam_user_ssh_key": {
			create: func() error {
				out, err := c.iam.UploadSSHPublicKey(ctx, &iam.UploadSSHPublicKeyInput{UserName: user, SSHPublicKeyBody: &line})
				if err == nil {
					key = out.SSHPublicKey.SSHPublicKeyId
				}
				return err
			},
			read: func() (attributes, error) {
				if key == nil {
					return nil, errNotListed
				}
				out, err := c.iam.GetSSHPublicKey(ctx, &iam.GetSSHPublicKeyInput{UserName: user, SSHPublicKeyId: key, Encoding: "SSH"})
				if err != nil {
					return nil, err
				}
				return attributes{"status": string(out.SSHPublicKey.Status), "public_key": *out.SSHPublicKey.SSHPublicKeyBody}, nil
			},
			created: attributes{"status": "Active", "public_key": strings.Join(strings.Fields(line)[:2], " ")},
			updated: attributes{"status": "Inactive", "public_key": strings.Join(strings.Fields(line)[:2], " ")},
			update: func() error {
				_, err := c.iam.UpdateSSHPublicKey(ctx, &iam.UpdateSSHPublicKeyInput{UserName: user, SSHPublicKeyId: key, Status: "Inactive"})
				return err
			},
			delete: func() error {
				_, err := c.iam.DeleteSSHPublicKey(ctx, &iam.DeleteSSHPublicKeyInput{UserName: user, SSHPublicKeyId: key})
				return err
			},
			again: "NoSuchEntity",
		},
		"aws_iam_signing_certificate": {
			create: func() error {
				out, err := c.iam.UploadSigningCertificate(ctx, &iam.UploadSigningCertificateInput{UserName: user, CertificateBody: &own.Body})
				if err == nil {
					signing = out.Certificate.CertificateId
				}
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.ListSigningCertificates(ctx, &iam.ListSigningCertificatesInput{UserName: user})
				if err != nil {
					return nil, err
				}
				for _, s := range out.Certificates {
					if *s.CertificateId == aws.ToString(signing) {
						return attributes{"status": string(s.Status), "certificate_body": *s.CertificateBody}, nil
					}
				}
				return nil, errNotListed
			},
			created: attributes{"status": "Active", "certificate_body": own.Body}, updated: attributes{"status": "Inactive", "certificate_body": own.Body}, again: "NoSuchEntity",
			update: func() error {
				_, err := c.iam.UpdateSigningCertificate(ctx, &iam.UpdateSigningCertificateInput{UserName: user, CertificateId: signing, Status: "Inactive"})
				return err
			},
			delete: func() error {
				_, err := c.iam.DeleteSigningCertificate(ctx, &iam.DeleteSigningCertificateInput{UserName: user, CertificateId: signing})
				return err
			},
		},
		"aws_iam_server_certificate": {
			create: func() error {
				name = site
				_, err := c.iam.UploadServerCertificate(ctx, &iam.UploadServerCertificateInput{ServerCertificateName: site, CertificateBody: &leaf.Body,
					CertificateChain: &root.Body, PrivateKey: &leaf.PEM, Path: aws.String("/a/"), Tags: tags("k", "1")})
				return err
			},
			read: func() (attributes, error) {
				if name == nil {
					return nil, errNotListed
				}
				out, err := c.iam.GetServerCertificate(ctx, &iam.GetServerCertificateInput{ServerCertificateName: name})
				if err != nil {
					return nil, err
				}
				s, m := out.ServerCertificate, out.ServerCertificate.ServerCertificateMetadata
				return attributes{"arn": *m.Arn, "certificate_body": *s.CertificateBody, "certificate_chain": text(s.CertificateChain), "tags": text(s.Tags),
					"expiration": m.Expiration.UTC().Format(time.RFC3339)}, nil
			},
			created: attributes{"arn": "arn:aws:iam::" + account + ":server-certificate/a/site", "certificate_body": leaf.Body, "certificate_chain": root.Body,
				"tags": `{"k":"1"}`, "expiration": leaf.X509.NotAfter.UTC().Format(time.RFC3339)},
			update: func() error {
				_, err := c.iam.UpdateServerCertificate(ctx, &iam.UpdateServerCertificateInput{ServerCertificateName: site, NewServerCertificateName: moved, NewPath: aws.String("/b/")})
				if err == nil {
					name = moved
					_, err = c.iam.TagServerCertificate(ctx, &iam.TagServerCertificateInput{ServerCertificateName: name, Tags: tags("K", "2")})
				}
				return err
			},
			updated: attributes{"arn": "arn:aws:iam::" + account + ":server-certificate/b/moved", "certificate_body": leaf.Body, "certificate_chain": root.Body,
				"tags": `{"K":"2","k":"1"}`, "expiration": leaf.X509.NotAfter.UTC().Format(time.RFC3339)},
			delete: func() error {
				_, err := c.iam.DeleteServerCertificate(ctx, &iam.DeleteServerCertificateInput{ServerCertificateName: name})
				return err
			},
			again: "NoSuchEntity",
		},
	}
}

// providerResources are identity providers.
func providerResources(t *testing.T, c *caller, account string) map[string]resource {
	ctx := t.Context()
	saml, oidc := "arn:aws:iam::"+account+":saml-provider/corp", "arn:aws:iam::"+account+":oidc-provider/idp.example"
	one, two := samltest.New("https://idp.example/one").Metadata(), samltest.New("https://idp.example/two").Metadata()
	print1, print2 := strings.Repeat("ab", 20), strings.Repeat("cd", 20)
	return map[string]resource{
		"aws_iam_saml_provider": {
			create: func() error {
				_, err := c.iam.CreateSAMLProvider(ctx, &iam.CreateSAMLProviderInput{Name: aws.String("corp"), SAMLMetadataDocument: &one, Tags: tags("k", "1")})
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.GetSAMLProvider(ctx, &iam.GetSAMLProviderInput{SAMLProviderArn: &saml})
				if err != nil {
					return nil, err
				}
				return attributes{"saml_metadata_document": text(out.SAMLMetadataDocument), "tags": text(out.Tags)}, nil
			},
			created: attributes{"saml_metadata_document": one, "tags": `{"k":"1"}`}, updated: attributes{"saml_metadata_document": two, "tags": `{}`}, again: "NoSuchEntity",
			update: func() error {
				_, err := c.iam.UpdateSAMLProvider(ctx, &iam.UpdateSAMLProviderInput{SAMLProviderArn: &saml, SAMLMetadataDocument: &two})
				if err == nil {
					_, err = c.iam.UntagSAMLProvider(ctx, &iam.UntagSAMLProviderInput{SAMLProviderArn: &saml, TagKeys: []string{"k"}})
				}
				return err
			},
			delete: func() error {
				_, err := c.iam.DeleteSAMLProvider(ctx, &iam.DeleteSAMLProviderInput{SAMLProviderArn: &saml})
				return err
			},
		},
		"aws_iam_openid_connect_provider": {
			create: func() error {
				_, err := c.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://idp.example"),
					ClientIDList: []string{"one"}, ThumbprintList: []string{print1}, Tags: tags("k", "1")})
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &oidc})
				if err != nil {
					return nil, err
				}
				return attributes{"url": text(out.Url), "client_id_list": text(out.ClientIDList), "thumbprint_list": text(out.ThumbprintList), "tags": text(out.Tags)}, nil
			},
			created: attributes{"url": "idp.example", "client_id_list": "[one]", "thumbprint_list": "[" + print1 + "]", "tags": `{"k":"1"}`},
			update: func() error {
				_, err := c.iam.UpdateOpenIDConnectProviderThumbprint(ctx, &iam.UpdateOpenIDConnectProviderThumbprintInput{OpenIDConnectProviderArn: &oidc, ThumbprintList: []string{print2}})
				if err == nil {
					_, err = c.iam.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: &oidc, ClientID: aws.String("two")})
				}
				if err == nil {
					_, err = c.iam.RemoveClientIDFromOpenIDConnectProvider(ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: &oidc, ClientID: aws.String("one")})
				}
				return err
			},
			updated: attributes{"url": "idp.example", "client_id_list": "[two]", "thumbprint_list": "[" + print2 + "]", "tags": `{"k":"1"}`},
			delete: func() error {
				_, err := c.iam.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &oidc})
				return err
			},
		},
	}
}

// accountResources are settings of the account.
func accountResources(t *testing.T, c *caller) map[string]resource {
	ctx := t.Context()
	policy := func(length int32, numbers bool) func() error {
		return func() error {
			_, err := c.iam.UpdateAccountPasswordPolicy(ctx, &iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: &length, RequireNumbers: numbers})
			return err
		}
	}
	alias := aws.String("lifecycle-of-an-alias")
	return map[string]resource{
		"aws_iam_account_password_policy": {
			create: policy(10, true), update: policy(12, false), again: "NoSuchEntity",
			read: func() (attributes, error) {
				out, err := c.iam.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{})
				if err != nil {
					return nil, err
				}
				p := out.PasswordPolicy
				return attributes{"minimum_password_length": text(p.MinimumPasswordLength), "require_numbers": fmt.Sprint(p.RequireNumbers), "expire_passwords": fmt.Sprint(p.ExpirePasswords)}, nil
			},
			created: attributes{"minimum_password_length": "10", "require_numbers": "true", "expire_passwords": "false"},
			updated: attributes{"minimum_password_length": "12", "require_numbers": "false", "expire_passwords": "false"},
			delete: func() error {
				_, err := c.iam.DeleteAccountPasswordPolicy(ctx, &iam.DeleteAccountPasswordPolicyInput{})
				return err
			},
		},
		"aws_iam_account_alias": {
			create: func() error {
				_, err := c.iam.CreateAccountAlias(ctx, &iam.CreateAccountAliasInput{AccountAlias: alias})
				return err
			},
			read: func() (attributes, error) {
				out, err := c.iam.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{})
				if err != nil {
					return nil, err
				}
				for _, a := range out.AccountAliases {
					return attributes{"account_alias": a}, nil
				}
				return nil, errNotListed
			},
			created: attributes{"account_alias": *alias}, again: "NoSuchEntity",
			delete: func() error {
				_, err := c.iam.DeleteAccountAlias(ctx, &iam.DeleteAccountAliasInput{AccountAlias: alias})
				return err
			},
		},
	}
}
