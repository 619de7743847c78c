package lint

import "slices"

// Code names a check. Codes of AWS's checks are AWS's own and do not change.
type Code string

// AWS's checks of the grammar, which mostly come from policy.Parse and Document.Check.
const (
	DataTypeMismatch               Code = "DATA_TYPE_MISMATCH"
	DuplicateKeysWithDifferentCase Code = "DUPLICATE_KEYS_WITH_DIFFERENT_CASE"
	InvalidARNPrefix               Code = "INVALID_ARN_PREFIX"
	InvalidConditionKeyFormat      Code = "INVALID_CONDITION_KEY_FORMAT"
	InvalidConditionOperator       Code = "INVALID_CONDITION_OPERATOR"
	InvalidEffect                  Code = "INVALID_EFFECT"
	InvalidPartition               Code = "INVALID_PARTITION"
	InvalidPolicyElement           Code = "INVALID_POLICY_ELEMENT"
	InvalidPrincipalFormat         Code = "INVALID_PRINCIPAL_FORMAT"
	InvalidVersion                 Code = "INVALID_VERSION"
	JSONSyntaxError                Code = "JSON_SYNTAX_ERROR"
	MissingAction                  Code = "MISSING_ACTION"
	MissingARNField                Code = "MISSING_ARN_FIELD"
	MissingBraceInVariable         Code = "MISSING_BRACE_IN_VARIABLE"
	MissingEffect                  Code = "MISSING_EFFECT"
	MissingPrincipal               Code = "MISSING_PRINCIPAL"
	MissingQuoteInVariable         Code = "MISSING_QUOTE_IN_VARIABLE"
	MissingResource                Code = "MISSING_RESOURCE"
	MissingStatement               Code = "MISSING_STATEMENT"
	MultipleBoolean                Code = "INVALID_CONDITION_MULTIPLE_BOOLEAN"
	NullWithIfExists               Code = "NULL_WITH_IF_EXISTS"
	TypeMismatchBoolean            Code = "TYPE_MISMATCH_BOOLEAN"
	TypeMismatchDate               Code = "TYPE_MISMATCH_DATE"
	TypeMismatchIPRange            Code = "TYPE_MISMATCH_IP_RANGE"
	TypeMismatchNumber             Code = "TYPE_MISMATCH_NUMBER"
	TypeMismatchString             Code = "TYPE_MISMATCH_STRING"
	UniqueSidsRequired             Code = "UNIQUE_SIDS_REQUIRED"
	UnsupportedActionInPolicy      Code = "UNSUPPORTED_ACTION_IN_POLICY"
	UnsupportedElementCombination  Code = "UNSUPPORTED_ELEMENT_COMBINATION"
	UnsupportedPrincipal           Code = "UNSUPPORTED_PRINCIPAL"
	UnsupportedSid                 Code = "UNSUPPORTED_SID"
	UnsupportedWildcardInPrincipal Code = "UNSUPPORTED_WILDCARD_IN_PRINCIPAL"
	VariableInVersion              Code = "VARIABLE_UNSUPPORTED_IN_VERSION"
	VariableUnsupportedInElement   Code = "VARIABLE_UNSUPPORTED_IN_ELEMENT"
)

// AWS's other checks.
const (
	AllowTagKey                      Code = "ALLOW_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE"
	AllowWithNotPrincipal            Code = "ALLOW_WITH_NOT_PRINCIPAL"
	ARNAccount                       Code = "ARN_ACCOUNT_NOT_ALLOWED"
	ARNRegion                        Code = "ARN_REGION_NOT_ALLOWED"
	CreateSLRNotActionNotResource    Code = "CREATE_SLR_WITH_NOT_ACTION_AND_NOT_RESOURCE"
	CreateSLRNotResource             Code = "CREATE_SLR_WITH_NOT_RESOURCE"
	CreateSLRStar                    Code = "CREATE_SLR_WITH_STAR_IN_RESOURCE"
	CreateSLRStarInAction            Code = "CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE"
	CreateSLRStarInActionNotResource Code = "CREATE_SLR_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE"
	CreateSLRStarNotAction           Code = "CREATE_SLR_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION"
	DenyTagKey                       Code = "DENY_WITH_UNSUPPORTED_TAG_CONDITION_KEY_FOR_SERVICE"
	DeprecatedGlobalConditionKey     Code = "DEPRECATED_GLOBAL_CONDITION_KEY"
	EmptyAction                      Code = "EMPTY_ARRAY_ACTION"
	EmptyCondition                   Code = "EMPTY_OBJECT_CONDITION"
	EmptyConditionValues             Code = "EMPTY_ARRAY_CONDITION"
	EmptyPrincipal                   Code = "EMPTY_ARRAY_PRINCIPAL"
	EmptyResource                    Code = "EMPTY_ARRAY_RESOURCE"
	EmptySid                         Code = "EMPTY_SID_VALUE"
	ForAllValuesSingle               Code = "FORALLVALUES_WITH_SINGLE_VALUED_KEY"
	ImproveIPRange                   Code = "IMPROVE_IP_RANGE"
	InvalidAction                    Code = "INVALID_ACTION"
	InvalidARNAccount                Code = "INVALID_ARN_ACCOUNT"
	InvalidARNRegion                 Code = "INVALID_ARN_REGION"
	InvalidARNResource               Code = "INVALID_ARN_RESOURCE"
	InvalidDateValue                 Code = "INVALID_DATE_VALUE"
	InvalidGlobalConditionKey        Code = "INVALID_GLOBAL_CONDITION_KEY"
	InvalidRoleReference             Code = "INVALID_ROLE_REFERENCE"
	InvalidServiceConditionKey       Code = "INVALID_SERVICE_CONDITION_KEY"
	InvalidServiceInAction           Code = "INVALID_SERVICE_IN_ACTION"
	InvalidUserReference             Code = "INVALID_USER_REFERENCE"
	MissingGitHubRepo                Code = "MISSING_GITHUB_REPO_CONDITION_KEY"
	MissingOIDCKey                   Code = "MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL"
	MissingQualifier                 Code = "MISSING_QUALIFIER"
	MissingTagKey                    Code = "MISSING_TAG_KEY_IN_CONDITION"
	MissingVersion                   Code = "MISSING_VERSION"
	NullWithQualifier                Code = "NULL_WITH_QUALIFIER"
	PassRoleNotActionNotResource     Code = "PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE"
	PassRoleNotResource              Code = "PASS_ROLE_WITH_NOT_RESOURCE"
	PassRoleStar                     Code = "PASS_ROLE_WITH_STAR_IN_RESOURCE"
	PassRoleStarInAction             Code = "PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE"
	PassRoleStarInActionNotResource  Code = "PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE"
	PassRoleStarNotAction            Code = "PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION"
	RecommendedSourceKey             Code = "RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL"
	RedundantAction                  Code = "REDUNDANT_ACTION"
	RedundantConditionValueNum       Code = "REDUNDANT_CONDITION_VALUE_NUM"
	RedundantResource                Code = "REDUNDANT_RESOURCE"
	RedundantStatement               Code = "REDUNDANT_STATEMENT"
	ServiceWithoutSource             Code = "RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL"
	SizeIdentity                     Code = "POLICY_SIZE_EXCEEDS_IDENTITY_POLICY_QUOTA"
	SizeResource                     Code = "POLICY_SIZE_EXCEEDS_RESOURCE_POLICY_QUOTA"
	StringLikeWithARN                Code = "STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS"
	TypeMismatch                     Code = "TYPE_MISMATCH"
	WildcardWithoutLike              Code = "WILDCARD_WITHOUT_LIKE_OPERATOR"
)

// Checks that AWS does not have.
const (
	ActionWithoutResource   Code = "ACTION_WITHOUT_RESOURCE"
	AllowWithNotAction      Code = "ALLOW_WITH_NOT_ACTION"
	AllowWithNotResource    Code = "ALLOW_WITH_NOT_RESOURCE"
	ForAllValuesNoNull      Code = "FORALLVALUES_WITHOUT_NULL_CHECK"
	ForAnyValueSingle       Code = "FORANYVALUE_WITH_SINGLE_VALUED_KEY"
	KeyWithoutAction        Code = "CONDITION_KEY_WITHOUT_ACTION"
	LimitReached            Code = "LINT_LIMIT_REACHED"
	MFAMissesLongTermKeys   Code = "DENY_WITHOUT_MFA_MISSES_LONG_TERM_KEYS"
	MissingExternalID       Code = "ACCOUNT_PRINCIPAL_WITHOUT_EXTERNAL_ID"
	MultivaluedVariable     Code = "MULTIVALUED_KEY_IN_VARIABLE"
	PolicySyntax            Code = "POLICY_SYNTAX"
	PublicAccess            Code = "ALLOW_TO_EVERYONE"
	RedundantConditionValue Code = "REDUNDANT_CONDITION_VALUE"
	RedundantPrincipal      Code = "REDUNDANT_PRINCIPAL"
	ResourceWithoutAction   Code = "RESOURCE_WITHOUT_ACTION"
	SizeControl             Code = "POLICY_SIZE_EXCEEDS_CONTROL_POLICY_QUOTA"
	SourceIPHitsServices    Code = "DENY_BY_SOURCE_IP_HITS_SERVICES"
	StarResource            Code = "STAR_IN_RESOURCE"
	TrustActionMismatch     Code = "TRUST_ACTION_MISMATCH"
	UnreachableStatement    Code = "UNREACHABLE_STATEMENT"
	WildcardAccount         Code = "WILDCARD_IN_ARN_ACCOUNT"
)

// Check describes a check, for documentation and for tools that choose among checks.
type Check struct {
	Code     Code
	Severity Severity // the gravest that it reports
	AWS      bool     // AWS's validation has it, under this code
	Pedantic bool     // reported on demand only, see Options
	Title    string
}

// Checks lists every check in the order of codes.
func Checks() []Check { return slices.Clone(checks) }
