// Package catalog holds what AWS publishes about itself and Ostiary needs to know without asking: the AWS managed policies and
// the service authorization reference (services, actions, resource types, condition keys). It imports the standard library only,
// does no I/O and has no mutable state but what it has already read; everything in it comes from files embedded in the
// package, which the program in catalog/gen writes, and from the table of global condition keys.
//
// The files are laid out so that start-up reads little and memory holds only what was asked for:
//
//	magic     "OSTIARY-MANAGED-1\n" or "OSTIARY-REFERENCE-1\n"
//	sum       32 bytes, SHA-256 of the uncompressed sections one after the other
//	sections  until the end of the file, each: uvarint compressed length, uvarint raw length, DEFLATE data
//
// The first section is the index, the others hold the entries in the order of the index, about 64 KiB each; an entry never spans
// two sections. Fields in lines are separated by tabs.
//
// managed.bin has a line per policy in the index, in the order of lower-case names: name, path, default version, creation time,
// update time (both RFC 3339), number of the section that holds the document, document length. Entries are documents.
//
// reference.bin has a heading in the index (date, source) and a line per service in the order of prefixes: prefix, name,
// category, number of the section, length, number of actions, prefixes of the service's condition keys that are not its own.
// Entries are lines, told apart by their first letter; lists are separated by spaces, numbers count from 0:
//
//	kNAME TYPE         a condition key; S string, A ARN, B Boolean, N number, D date, I address; * before it: several values
//	sKEY KEY…          a set of keys; set 0 is the empty one and has no line
//	rNAME ARNS SET     a resource type with its forms of ARN
//	uTYPE!:SET TYPE…   a list of resource types, each with ! when required and :SET when keys go with it; list 0 is empty
//	aNAME LEVEL SET LIST  an action; L list, R read, W write, T tagging, P permissions management
package catalog

//go:generate go run ./gen -managed $MANAGED_POLICIES -reference $SERVICE_AUTHORIZATION -dir .
