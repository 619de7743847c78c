package elasticache

import (
	"net/http"

	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
)

// said is what an error of the inventory says: its kind and what it speaks of.
type said struct {
	kind    fault.Kind
	subject string
}

// codes are AWS's names for the inventory's errors (the error shapes of the API's model).
var codes = map[said]gate.Code{
	{fault.NotFound, string(inventory.Cluster)}:            {Code: "CacheClusterNotFound", Status: http.StatusNotFound},
	{fault.NotFound, string(inventory.ReplicationGroup)}:   {Code: "ReplicationGroupNotFoundFault", Status: http.StatusNotFound},
	{fault.NotFound, string(inventory.GlobalGroup)}:        {Code: "GlobalReplicationGroupNotFoundFault", Status: http.StatusNotFound},
	{fault.NotFound, string(inventory.ParameterGroup)}:     {Code: "CacheParameterGroupNotFound", Status: http.StatusNotFound},
	{fault.NotFound, string(inventory.SubnetGroup)}:        {Code: "CacheSubnetGroupNotFoundFault", Status: http.StatusBadRequest},
	{fault.NotFound, string(inventory.SecurityGroup)}:      {Code: "CacheSecurityGroupNotFound", Status: http.StatusNotFound},
	{fault.NotFound, string(inventory.Snapshot)}:           {Code: "SnapshotNotFoundFault", Status: http.StatusNotFound},
	{fault.NotFound, string(inventory.ReservedNode)}:       {Code: "ReservedCacheNodeNotFound", Status: http.StatusNotFound},
	{fault.NotFound, string(inventory.User)}:               {Code: "UserNotFound", Status: http.StatusNotFound},
	{fault.NotFound, string(inventory.UserGroup)}:          {Code: "UserGroupNotFound", Status: http.StatusNotFound},
	{fault.NotFound, string(inventory.ServerlessCache)}:    {Code: "ServerlessCacheNotFoundFault", Status: http.StatusNotFound},
	{fault.NotFound, string(inventory.ServerlessSnapshot)}: {Code: "ServerlessCacheSnapshotNotFoundFault", Status: http.StatusNotFound},
	{fault.NotFound, inventory.SubjectTag}:                 {Code: "TagNotFound", Status: http.StatusNotFound},

	{fault.NotFound, subjectOffering}:                     {Code: "ReservedCacheNodesOfferingNotFound", Status: http.StatusNotFound},
	{fault.Exists, string(inventory.ReservedNode)}:        {Code: "ReservedCacheNodeAlreadyExists", Status: http.StatusNotFound},
	{fault.LimitExceeded, string(inventory.ReservedNode)}: {Code: "ReservedCacheNodeQuotaExceeded", Status: http.StatusBadRequest},
	{fault.NotFound, inventory.SubjectIngress}:            {Code: "AuthorizationNotFound", Status: http.StatusNotFound},

	{fault.Exists, string(inventory.ParameterGroup)}:               {Code: "CacheParameterGroupAlreadyExists", Status: http.StatusBadRequest},
	{fault.LimitExceeded, string(inventory.ParameterGroup)}:        {Code: "CacheParameterGroupQuotaExceeded", Status: http.StatusBadRequest},
	{fault.TemporarilyUnchanged, string(inventory.ParameterGroup)}: {Code: "InvalidCacheParameterGroupState", Status: http.StatusBadRequest},
	{fault.Exists, string(inventory.SecurityGroup)}:                {Code: "CacheSecurityGroupAlreadyExists", Status: http.StatusBadRequest},
	{fault.Exists, string(inventory.User)}:                         {Code: "UserAlreadyExists", Status: http.StatusBadRequest},
	{fault.Exists, string(inventory.UserGroup)}:                    {Code: "UserGroupAlreadyExists", Status: http.StatusBadRequest},
	{fault.Exists, inventory.SubjectUserName}:                      {Code: "DuplicateUserName", Status: http.StatusBadRequest},
	{fault.Exists, inventory.SubjectIngress}:                       {Code: "AuthorizationAlreadyExists", Status: http.StatusBadRequest},
	{fault.LimitExceeded, string(inventory.SecurityGroup)}:         {Code: "QuotaExceeded.CacheSecurityGroup", Status: http.StatusBadRequest},
	{fault.LimitExceeded, string(inventory.User)}:                  {Code: "UserQuotaExceeded", Status: http.StatusBadRequest},
	{fault.LimitExceeded, string(inventory.UserGroup)}:             {Code: "UserGroupQuotaExceeded", Status: http.StatusBadRequest},
	{fault.DeleteConflict, inventory.SubjectDefaultUser}:           {Code: "DefaultUserAssociatedToUserGroup", Status: http.StatusBadRequest},
	{fault.InvalidInput, inventory.SubjectDefaultUser}:             {Code: "DefaultUserRequired", Status: http.StatusBadRequest},
	{fault.TemporarilyUnchanged, string(inventory.SecurityGroup)}:  {Code: "InvalidCacheSecurityGroupState", Status: http.StatusBadRequest},
	{fault.TemporarilyUnchanged, string(inventory.UserGroup)}:      {Code: "InvalidUserGroupState", Status: http.StatusBadRequest},
	{fault.Exists, string(inventory.SubnetGroup)}:                  {Code: "CacheSubnetGroupAlreadyExists", Status: http.StatusBadRequest},
	{fault.LimitExceeded, string(inventory.SubnetGroup)}:           {Code: "CacheSubnetGroupQuotaExceeded", Status: http.StatusBadRequest},
	{fault.LimitExceeded, inventory.SubjectSubnetQuota}:            {Code: "CacheSubnetQuotaExceededFault", Status: http.StatusBadRequest},
	{fault.LimitExceeded, inventory.SubjectTagQuota}:               {Code: "TagQuotaPerResourceExceeded", Status: http.StatusBadRequest},
	{fault.DeleteConflict, string(inventory.SubnetGroup)}:          {Code: "CacheSubnetGroupInUse", Status: http.StatusBadRequest},
	{fault.DeleteConflict, inventory.SubjectSubnet}:                {Code: "SubnetInUse", Status: http.StatusBadRequest},
	{fault.InvalidInput, inventory.SubjectSubnet}:                  {Code: "InvalidSubnet", Status: http.StatusBadRequest},
	{fault.InvalidInput, subjectARN}:                               {Code: "InvalidARN", Status: http.StatusBadRequest},
	{fault.InvalidInput, inventory.SubjectCombination}:             {Code: "InvalidParameterCombination", Status: http.StatusBadRequest},
}

// subjectARN is what an error speaks of that an ARN is no resource of ElastiCache's.
const subjectARN = "ARN"

func code(e *fault.Error) (gate.Code, bool) {
	c, ok := codes[said{e.Kind, e.Subject}]
	return c, ok
}
