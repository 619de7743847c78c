// Package policy reads, checks, compiles and evaluates AWS IAM policy documents.
//
// A document goes through three forms. [Parse] turns JSON text into a [Document] that keeps source positions; [Options.ParseAs] also
// checks it for a [Kind] of use and reports everything at once. A document is printed in canonical form by [Document.MarshalJSON] and,
// for people, [Document.Format]; two are compared by [Document.Equal] or, whatever their order and spelling, [Document.Equivalent]. [Compile]
// turns a document into a [Policy] for one [Kind] of use: immutable, safe for concurrent use, with wildcards split,
// operators resolved, dates and addresses parsed. [Evaluate] applies a [Set] of policies to a [Request] and returns a
// [Decision]; [Explain] tells in full how it came about.
//
// The package does no I/O, keeps no global mutable state and never reads the clock: the current time, the caller's address
// and every other fact arrive as keys of the [Context]. Evaluate is total: it cannot fail, allocate or block, and for any one
// policy its time is linear in the length of the request's strings. Nothing that Check would refuse can be compiled, so
// nothing unknown reaches evaluation.
//
// # Errors
//
// Parse, [Document.Check] and Compile return [Errors], which lists every problem found and unwraps to *[SyntaxError]. In a
// SyntaxError, Msg is the sentence that AWS's API shows behind MalformedPolicyDocument, in AWS's own words wherever they are
// known; such sentences are often vague ("Syntax errors in policy."). Detail says in our words what is wrong, Pos and Path say
// where. Error of both types gives Msg, so that it can be put into an API's answer as it is; String gives the rest.
//
// # Where AWS's behaviour is unknown
//
// The reading that lets fewer people in is taken, per effect: a narrower match in an Allow, a wider one in a Deny. So a plain
// operator on a key that carries several values, and a value in the request that is not of the operator's type, make a
// statement that allows not match, and one that denies match.
//
// # Stability
//
// Text accepted by one minor version stays accepted; decisions for the same inputs change within a major version only to
// repair a difference from AWS.
package policy
