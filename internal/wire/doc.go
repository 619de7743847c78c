// Package wire speaks AWS's protocols: it recognises the service and the operation of a request, decodes parameters into
// generated typed inputs, checks the API model's constraints, and writes outputs and errors.
//
// Two protocols exist. Query (IAM, STS, ElastiCache) takes form parameters and answers XML:
//
//	Action=TagUser&Tags.member.1.Key=team&Tags.member.1.Value=blue&UserName=alice&Version=2010-05-08
//
//	<TagUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">
//	  <TagUserResult>…</TagUserResult>                                   only where the operation has an output
//	  <ResponseMetadata><RequestId>…</RequestId></ResponseMetadata>
//	</TagUserResponse>
//
// JSON 1.1 (Organizations) names the operation in the X-Amz-Target header and takes and answers one JSON object.
//
// The types under internal/wire/shape are written by internal/wire/gen from the API models; nothing here reflects at run
// time. Their code calls the decoders ([FormReader], [JSONReader]), the [Checker] and the append functions of this package.
//
// What this package does not do: it authenticates nobody, decides nothing and knows no service. It reads no body itself (the
// server does, with its limit) and holds no state but immutable tables and patterns compiled at first use.
//
// Decoding is strict: an unknown parameter, a value of the wrong type, a parameter given twice or text that is not UTF-8
// is an error and changes nothing.
package wire
