package inventory

import "github.com/ostiary-iam/ostiary/internal/fault"

// labels are what AWS's sentences call the types.
var labels = map[Type]string{
	Cluster: "CacheCluster", ReplicationGroup: "ReplicationGroup", GlobalGroup: "GlobalReplicationGroup",
	ParameterGroup: "CacheParameterGroup", SubnetGroup: "CacheSubnetGroup", SecurityGroup: "CacheSecurityGroup",
	Snapshot: "Snapshot", ReservedNode: "ReservedCacheNode", User: "User", UserGroup: "UserGroup",
	ServerlessCache: "ServerlessCache", ServerlessSnapshot: "ServerlessCacheSnapshot",
}

// NotFound is the error of a resource that is not there.
func NotFound(t Type, name string) error {
	return &fault.Error{Kind: fault.NotFound, Subject: string(t), Message: labels[t] + " not found: " + name}
}

func alreadyExists(t Type, name string) error {
	return &fault.Error{Kind: fault.Exists, Subject: string(t), Message: labels[t] + " already exists: " + name}
}

func quotaExceeded(t Type) error {
	return &fault.Error{Kind: fault.LimitExceeded, Subject: string(t), Message: "The quota of resources of the type " + labels[t] + " is exceeded."}
}

func inUse(t Type, name, by string) error {
	return &fault.Error{Kind: fault.DeleteConflict, Subject: string(t), Message: labels[t] + " " + name + " is in use by " + by + "."}
}

// Combination is the error of parameters that cannot stand together, or not without each other.
func Combination(message string) error {
	return &fault.Error{Kind: fault.InvalidInput, Subject: SubjectCombination, Message: message}
}
