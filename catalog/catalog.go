// Package catalog holds what AWS publishes about itself and Ostiary needs to know without asking: for now the AWS managed
// policies. It imports the standard library only, does no I/O and has no mutable state; everything in it comes from
// files embedded in the package, which the program in catalog/gen writes.
//
// managed.bin is laid out so that start-up reads little and memory holds only what was asked for:
//
//	magic     "OSTIARY-MANAGED-1\n"
//	sum       32 bytes, SHA-256 of the uncompressed sections one after the other
//	sections  until the end of the file, each: uvarint compressed length, uvarint raw length, DEFLATE data
//
// The first section is the index: a line per policy in the order of lower-case names, tab-separated: name, path, default
// version, creation time, update time (both RFC 3339), number of the section that holds the document, document length.
// The following sections are the documents in the same order, about 64 KiB each; a document never spans two sections.
package catalog

//go:generate go run ./gen -source $MANAGED_POLICIES -out managed.bin
