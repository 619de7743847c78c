// Package acceptance is the acceptance suite: what a stranger would try, through unmodified clients.
//
// It holds no code, only tests. They speak to a server as anybody would, through aws-sdk-go-v2, the AWS CLI, boto3 or a bare
// connection, and look at nothing but answers, recorded events and the files of a data directory. Most of them use a server
// inside the test (package ostiarytest); those about restarts, crashes and files run the command itself, built for the
// purpose, as a process of its own.
//
// Tests that need the AWS CLI or boto3 skip where these are missing, unless OSTIARY_REQUIRE names them ("aws,boto3"; "awscli" is the AWS
// CLI as a module of Python, with which one process runs all its commands).
// OSTIARY_LONG=1 makes loops longer.
package acceptance
