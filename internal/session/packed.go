package session

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// PackedLimit is what session policies and session tags may weigh in a token, in bytes after packing.
//
// AWS reports PackedPolicySize, a "percentage value that indicates the packed size of the session policies and session tags
// combined passed in the request", and refuses a request above 100 % even where the plain text keeps every other limit. It
// publishes neither the packing nor the limit. Ours is the real size in a real token: one deflated block of the inline
// policy, the managed policies' ARNs, the tags and the transitive keys (S2-108). The limit is chosen so that a full token
// stays below 4,096 characters (S5-23). A policy of AWS's 2,048 characters fits as long as it is not random text.
const PackedLimit = 2048

// maxUnpacked bounds inflation: 50 tags at their largest in four-byte characters, ten ARNs and a policy are less.
const maxUnpacked = 128 << 10

// dictionary holds the words of session policies and tags, the most likely last. It is part of the token's form.
const dictionary = `aws:PrincipalTag/aws:RequestTag/aws:ResourceTag/aws:SourceIp"NotAction":"NotResource":"StringNotEquals":` +
	`"ArnLike":{"IpAddress":{"Bool":{"aws:SecureTransport":"false"dynamodb:ec2:sqs:sns:lambda:kms:Decrypt"elasticache:Connect"` +
	`iam:GetUsersts:AssumeRolearn:aws:ec2:us-east-1:arn:aws:iam::aws:policy/AmazonReadOnlyAccessarn:aws:iam::policy/` +
	`CostCenterDepartmentProjectTeamEnvironmentEmailOwner"StringLike":{"s3:prefix":["Condition":{"StringEquals":{` +
	`s3:ListAllMyBuckets"s3:ListBucket""s3:DeleteObject""s3:PutObject""s3:GetObject"/*"]"Resource":["arn:aws:s3:::` +
	`"Resource":"*"}]}"Action":["Action":"s3:*","Effect":"Deny","Sid":"{"Version":"2012-10-17","Statement":[{"Effect":"Allow",`

// Deflaters and inflaters are large; both keep the dictionary over a Reset.
var (
	deflaters = sync.Pool{New: func() any {
		w, err := flate.NewWriterDict(io.Discard, flate.BestCompression, []byte(dictionary))
		if err != nil {
			panic("session: unreachable: " + err.Error()) // the level is a constant
		}
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReaderDict(bytes.NewReader(nil), []byte(dictionary)) }}
)

// PackedPolicySize returns the value of AWS's PackedPolicySize for a request that passes these session policies and tags:
// the percentage of [PackedLimit] they take, rounded up. It is 0 where none is passed; AWS then leaves the element out. Above
// 100 the error is a fault of kind PackedPolicyTooLarge. Tags inherited by role chaining count.
func PackedPolicySize(policy string, policyARNs []string, tags []entity.Tag, transitive []string) (int, error) {
	packed, err := pack(policy, policyARNs, tags, transitive)
	if err != nil {
		return 0, err
	}
	return percent(packed), checkPacked(packed, policy == "" && len(policyARNs) == 0)
}

func percent(packed []byte) int { return (100*len(packed) + PackedLimit - 1) / PackedLimit }

// checkPacked refuses what is over the limit, in AWS's sentences.
func checkPacked(packed []byte, tagsOnly bool) error {
	if len(packed) <= PackedLimit {
		return nil
	}
	if tagsOnly {
		return fault.New(fault.PackedPolicyTooLarge, "Packed size of session tags consumes %d%% of allotted space.", percent(packed))
	}
	return fault.New(fault.PackedPolicyTooLarge,
		"Packed policy consumes %d%% of allotted space, please use smaller policy.", percent(packed))
}

// pack returns the packed field: the unpacked length as a varint and the deflated fields. It is nil where there is nothing.
func pack(policy string, policyARNs []string, tags []entity.Tag, transitive []string) ([]byte, error) {
	b := appendText(nil, fieldPolicy, policy)
	for _, arn := range policyARNs {
		b = appendField(b, fieldPolicyARN, arn)
	}
	for _, t := range tags {
		b = appendField(b, fieldTagKey, t.Key)
		b = appendField(b, fieldTagValue, t.Value)
	}
	for _, key := range transitive {
		b = appendField(b, fieldTransitive, key)
	}
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) > maxUnpacked {
		return nil, fault.New(fault.PackedPolicyTooLarge, "The session policies and session tags are too large.")
	}
	var out bytes.Buffer
	out.Write(binary.AppendUvarint(nil, uint64(len(b))))
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&out)
	if _, err := w.Write(b); err != nil {
		return nil, fmt.Errorf("session: packing: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("session: packing: %w", err)
	}
	return out.Bytes(), nil
}

// unpack inverts pack's last step. It never makes more than the length that the field begins with, nor more than maxUnpacked.
func unpack(packed []byte) ([]byte, error) {
	length, n := binary.Uvarint(packed)
	if n <= 0 || length == 0 || length > maxUnpacked {
		return nil, errFields
	}
	source := bytes.NewReader(packed[n:])
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(source, []byte(dictionary)); err != nil {
		return nil, fmt.Errorf("session: unpacking: %w", err)
	}
	out := make([]byte, length)
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, fmt.Errorf("session: unpacking: %w", err)
	}
	var more [1]byte
	if m, err := r.Read(more[:]); m != 0 || err != io.EOF || source.Len() != 0 {
		return nil, errFields
	}
	return out, nil
}
