package elasticache

import (
	"context"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

// The three operations name their resource by ARN, of whichever type (S5-66).
var tagRows = map[string]gate.Row{
	"AddTagsToResource": {Decides: gate.ByPolicy, Checks: gate.Checks(func(_ *gate.Call, in *shape.AddTagsToResourceMessage) []authorizer.Check {
		return []authorizer.Check{{Action: "elasticache:AddTagsToResource", Resource: in.ResourceName, RequestTags: entityTags(in.Tags)}}
	})},
	"RemoveTagsFromResource": {Decides: gate.ByPolicy, Checks: gate.Checks(func(_ *gate.Call, in *shape.RemoveTagsFromResourceMessage) []authorizer.Check {
		return []authorizer.Check{{Action: "elasticache:RemoveTagsFromResource", Resource: in.ResourceName, RequestTagKeys: in.TagKeys}}
	})},
	"ListTagsForResource": {Decides: gate.ByPolicy, ReadOnly: true, Checks: gate.Checks(func(_ *gate.Call, in *shape.ListTagsForResourceMessage) []authorizer.Check {
		return []authorizer.Check{{Action: "elasticache:ListTagsForResource", Resource: in.ResourceName}}
	})},
}

func (s *service) AddTagsToResource(ctx context.Context, c *gate.Call, in *shape.AddTagsToResourceMessage) (*shape.TagListMessage, error) {
	return s.changeTags(ctx, c, in.ResourceName, func(tx inventory.Tx, id inventory.ID) ([]entity.Tag, error) { return tx.Tag(id, entityTags(in.Tags)) })
}

func (s *service) RemoveTagsFromResource(ctx context.Context, c *gate.Call, in *shape.RemoveTagsFromResourceMessage) (*shape.TagListMessage, error) {
	return s.changeTags(ctx, c, in.ResourceName, func(tx inventory.Tx, id inventory.ID) ([]entity.Tag, error) { return tx.Untag(id, in.TagKeys) })
}

func (s *service) changeTags(ctx context.Context, c *gate.Call, arn string, change func(inventory.Tx, inventory.ID) ([]entity.Tag, error)) (*shape.TagListMessage, error) {
	id, err := ownARN(c, arn)
	if err != nil {
		return nil, err
	}
	return gate.Commit(ctx, s.dir, c, func(tx *directory.Tx) (*shape.TagListMessage, error) {
		tags, err := change(inventory.In(tx), id)
		if err != nil {
			return nil, err
		}
		return &shape.TagListMessage{TagList: shapeTags(tags)}, nil
	})
}

func (s *service) ListTagsForResource(_ context.Context, c *gate.Call, in *shape.ListTagsForResourceMessage) (*shape.TagListMessage, error) {
	id, err := ownARN(c, in.ResourceName)
	if err != nil {
		return nil, err
	}
	r, _ := s.view().Find(id)
	if r == nil {
		return nil, inventory.NotFound(id.Type, id.Name)
	}
	return &shape.TagListMessage{TagList: shapeTags(r.About().Tags)}, nil
}

// ownARN reads the ARN of a resource of the caller's account in the request's region, the only ones that an endpoint knows. Global
// replication groups are of every region.
func ownARN(c *gate.Call, arn string) (inventory.ID, error) {
	id, ok := inventory.ParseARN(arn)
	if !ok || id.Account != c.Account() || id.Region != "" && id.Region != c.Region() {
		return inventory.ID{}, &fault.Error{Kind: fault.InvalidInput, Subject: subjectARN, Message: "The specified ARN " + arn + " is not a valid ARN of a resource in this region and account."}
	}
	return id, nil
}
