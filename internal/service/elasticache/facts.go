package elasticache

import (
	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/snapshot"
)

// resources answers facts about ElastiCache's resources: whose they are and how they are tagged.
type resources struct{ inventory *inventory.Follower }

// Facts implements authorizer.Resources. A resource that does not exist has a guard too: somebody may make it, with tags that the decision
// would not allow, before this caller's write.
func (r resources) Facts(_ *snapshot.Snapshot, arn string) (authorizer.Facts, bool) {
	id, ok := inventory.ParseARN(arn)
	if !ok {
		return authorizer.Facts{}, false
	}
	f := authorizer.Facts{Account: id.Account}
	record, guard := r.inventory.Current().Find(id)
	f.Guards = append(f.Guards, guard)
	if record != nil {
		f.Tags = record.About().Tags
	}
	return f, true
}
