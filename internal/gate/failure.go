package gate

import (
	"errors"
	"net/http"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/wire"
)

// Code is an AWS error code with its HTTP status.
type Code struct {
	Code   string
	Status int
}

// Codes maps kinds of errors to a service's codes. A service lists only where it differs from its protocol's table.
type Codes map[fault.Kind]Code

// The two protocol tables are total: a test holds them to fault.Kinds.
var (
	queryCodes = Codes{
		fault.Internal:              {"ServiceFailure", http.StatusInternalServerError},
		fault.Invalid:               {"ValidationError", http.StatusBadRequest},
		fault.InvalidInput:          {"InvalidInput", http.StatusBadRequest},
		fault.MalformedDocument:     {"MalformedPolicyDocument", http.StatusBadRequest},
		fault.MalformedInput:        {"MalformedInput", http.StatusBadRequest},
		fault.UnknownOperation:      {"InvalidAction", http.StatusBadRequest},
		fault.Unbuilt:               {"NotImplemented", http.StatusNotImplemented},
		fault.TooLarge:              {"RequestEntityTooLarge", http.StatusRequestEntityTooLarge},
		fault.TooSlow:               {"RequestTimeout", http.StatusRequestTimeout},
		fault.MarkerInvalid:         {"ValidationError", http.StatusBadRequest},
		fault.NotFound:              {"NoSuchEntity", http.StatusNotFound},
		fault.Exists:                {"EntityAlreadyExists", http.StatusConflict},
		fault.DeleteConflict:        {"DeleteConflict", http.StatusConflict},
		fault.LimitExceeded:         {"LimitExceeded", http.StatusConflict},
		fault.Unmodifiable:          {"UnmodifiableEntity", http.StatusBadRequest},
		fault.NotAttachable:         {"PolicyNotAttachable", http.StatusBadRequest},
		fault.Conflict:              {"ConcurrentModification", http.StatusConflict},
		fault.TemporarilyUnchanged:  {"EntityTemporarilyUnmodifiable", http.StatusConflict},
		fault.WeakPassword:          {"PasswordPolicyViolation", http.StatusBadRequest},
		fault.WrongCaller:           {"InvalidUserType", http.StatusBadRequest},
		fault.FeatureOn:             {"FeatureEnabled", http.StatusConflict},
		fault.FeatureOff:            {"FeatureDisabled", http.StatusNotFound},
		fault.NoOrganization:        {"OrganizationNotFoundException", http.StatusBadRequest},
		fault.NotAdministrator:      {"AccountNotManagementOrDelegatedAdministratorException", http.StatusBadRequest},
		fault.NotManagement:         {"CallerIsNotManagementAccountException", http.StatusBadRequest},
		fault.PartialOrganization:   {"OrganizationNotInAllFeaturesModeException", http.StatusBadRequest},
		fault.NoTrustedAccess:       {"ServiceAccessNotEnabledException", http.StatusBadRequest},
		fault.ReportMissing:         {"ReportNotPresent", http.StatusGone},
		fault.ReportExpired:         {"ReportExpired", http.StatusGone},
		fault.ReportInProgress:      {"ReportInProgress", http.StatusNotFound},
		fault.TooManyReports:        {"ReportGenerationLimitExceeded", http.StatusConflict},
		fault.MissingAuthentication: {"MissingAuthenticationToken", http.StatusForbidden},
		fault.IncompleteSignature:   {"IncompleteSignature", http.StatusBadRequest},
		fault.UnknownKey:            {"InvalidClientTokenId", http.StatusForbidden},
		fault.BadSignature:          {"SignatureDoesNotMatch", http.StatusForbidden},
		fault.SignatureExpired:      {"SignatureDoesNotMatch", http.StatusForbidden},
		fault.ExpiredCredentials:    {"ExpiredToken", http.StatusForbidden},
		fault.OptInRequired:         {"OptInRequired", http.StatusForbidden},
		fault.WrongCode:             {"InvalidAuthenticationCode", http.StatusForbidden},
		fault.Denied:                {"AccessDenied", http.StatusForbidden},
		fault.PackedPolicyTooLarge:  {"PackedPolicyTooLarge", http.StatusBadRequest},
		fault.RegionDisabled:        {"RegionDisabledException", http.StatusForbidden},
		fault.RejectedClaim:         {"IDPRejectedClaim", http.StatusForbidden},
		fault.InvalidIdentityToken:  {"InvalidIdentityToken", http.StatusBadRequest},
		fault.InvalidMessage:        {"InvalidAuthorizationMessageException", http.StatusBadRequest},
		fault.ExpiredIdentityToken:  {"ExpiredTokenException", http.StatusBadRequest},
		fault.TokenTooLarge:         {"JWTPayloadSizeExceededException", http.StatusBadRequest},
		fault.OutlivesSession:       {"SessionDurationEscalationException", http.StatusForbidden},
		fault.ExpiredTradeIn:        {"ExpiredTradeInTokenException", http.StatusBadRequest},
		fault.Unreachable:           {"IDPCommunicationError", http.StatusBadRequest},
		fault.MalformedCertificate:  {"MalformedCertificate", http.StatusBadRequest},
		fault.InvalidCertificate:    {"InvalidCertificate", http.StatusBadRequest},
		fault.DuplicateCertificate:  {"DuplicateCertificate", http.StatusConflict},
		fault.KeyPairMismatch:       {"KeyPairMismatch", http.StatusBadRequest},
		fault.InvalidPublicKey:      {"InvalidPublicKey", http.StatusBadRequest},
		fault.DuplicatePublicKey:    {"DuplicateSSHPublicKey", http.StatusBadRequest},
		fault.UnknownEncoding:       {"UnrecognizedPublicKeyEncoding", http.StatusBadRequest},
		fault.UnsupportedService:    {"NotSupportedService", http.StatusNotFound},
		fault.Throttled:             {"Throttling", http.StatusBadRequest},
		fault.Unavailable:           {"ServiceUnavailable", http.StatusServiceUnavailable},
		fault.Stale:                 {"ServiceUnavailable", http.StatusServiceUnavailable},
	}
	jsonCodes = Codes{
		fault.Internal:              {"InternalServerError", http.StatusInternalServerError},
		fault.Invalid:               {"ValidationException", http.StatusBadRequest},
		fault.InvalidInput:          {"InvalidInputException", http.StatusBadRequest},
		fault.MalformedDocument:     {"MalformedPolicyDocumentException", http.StatusBadRequest},
		fault.MalformedInput:        {"SerializationException", http.StatusBadRequest},
		fault.UnknownOperation:      {"UnknownOperationException", http.StatusBadRequest},
		fault.Unbuilt:               {"NotImplementedException", http.StatusNotImplemented},
		fault.TooLarge:              {"RequestEntityTooLargeException", http.StatusRequestEntityTooLarge},
		fault.TooSlow:               {"RequestTimeoutException", http.StatusRequestTimeout},
		fault.MarkerInvalid:         {"InvalidInputException", http.StatusBadRequest},
		fault.NotFound:              {"ResourceNotFoundException", http.StatusBadRequest},
		fault.Exists:                {"DuplicateNameException", http.StatusBadRequest},
		fault.DeleteConflict:        {"ConflictException", http.StatusBadRequest},
		fault.LimitExceeded:         {"ConstraintViolationException", http.StatusBadRequest},
		fault.Unmodifiable:          {"ConflictException", http.StatusBadRequest},
		fault.NotAttachable:         {"ConflictException", http.StatusBadRequest},
		fault.Conflict:              {"ConcurrentModificationException", http.StatusBadRequest},
		fault.TemporarilyUnchanged:  {"ConflictException", http.StatusBadRequest},
		fault.WeakPassword:          {"ConstraintViolationException", http.StatusBadRequest},
		fault.WrongCaller:           {"ConflictException", http.StatusBadRequest},
		fault.FeatureOn:             {"ConflictException", http.StatusBadRequest},
		fault.FeatureOff:            {"ConflictException", http.StatusBadRequest},
		fault.NoOrganization:        {"AWSOrganizationsNotInUseException", http.StatusBadRequest},
		fault.NotAdministrator:      {"AccessDeniedException", http.StatusBadRequest},
		fault.NotManagement:         {"AccessDeniedException", http.StatusBadRequest},
		fault.PartialOrganization:   {"ConflictException", http.StatusBadRequest},
		fault.NoTrustedAccess:       {"ConflictException", http.StatusBadRequest},
		fault.ReportMissing:         {"ResourceNotFoundException", http.StatusBadRequest},
		fault.ReportExpired:         {"ResourceNotFoundException", http.StatusBadRequest},
		fault.ReportInProgress:      {"ConflictException", http.StatusBadRequest},
		fault.TooManyReports:        {"ConstraintViolationException", http.StatusBadRequest},
		fault.MissingAuthentication: {"MissingAuthenticationTokenException", http.StatusBadRequest},
		fault.IncompleteSignature:   {"IncompleteSignatureException", http.StatusBadRequest},
		fault.UnknownKey:            {"UnrecognizedClientException", http.StatusBadRequest},
		fault.BadSignature:          {"InvalidSignatureException", http.StatusBadRequest},
		fault.SignatureExpired:      {"InvalidSignatureException", http.StatusBadRequest},
		fault.ExpiredCredentials:    {"ExpiredTokenException", http.StatusBadRequest},
		fault.OptInRequired:         {"OptInRequired", http.StatusForbidden},
		fault.WrongCode:             {"AccessDeniedException", http.StatusBadRequest},
		fault.Denied:                {"AccessDeniedException", http.StatusBadRequest},
		fault.PackedPolicyTooLarge:  {"PackedPolicyTooLargeException", http.StatusBadRequest},
		fault.RegionDisabled:        {"RegionDisabledException", http.StatusForbidden},
		fault.RejectedClaim:         {"AccessDeniedException", http.StatusBadRequest},
		fault.InvalidIdentityToken:  {"InvalidIdentityTokenException", http.StatusBadRequest},
		fault.InvalidMessage:        {"InvalidAuthorizationMessageException", http.StatusBadRequest},
		fault.ExpiredIdentityToken:  {"ExpiredTokenException", http.StatusBadRequest},
		fault.TokenTooLarge:         {"JWTPayloadSizeExceededException", http.StatusBadRequest},
		fault.OutlivesSession:       {"SessionDurationEscalationException", http.StatusForbidden},
		fault.ExpiredTradeIn:        {"ExpiredTradeInTokenException", http.StatusBadRequest},
		fault.Unreachable:           {"IDPCommunicationErrorException", http.StatusBadRequest},
		fault.MalformedCertificate:  {"InvalidInputException", http.StatusBadRequest},
		fault.InvalidCertificate:    {"InvalidInputException", http.StatusBadRequest},
		fault.DuplicateCertificate:  {"InvalidInputException", http.StatusBadRequest},
		fault.KeyPairMismatch:       {"InvalidInputException", http.StatusBadRequest},
		fault.InvalidPublicKey:      {"InvalidInputException", http.StatusBadRequest},
		fault.DuplicatePublicKey:    {"InvalidInputException", http.StatusBadRequest},
		fault.UnknownEncoding:       {"InvalidInputException", http.StatusBadRequest},
		fault.UnsupportedService:    {"InvalidInputException", http.StatusBadRequest},
		fault.Throttled:             {"ThrottlingException", http.StatusBadRequest},
		fault.Unavailable:           {"ServiceUnavailableException", http.StatusServiceUnavailable},
		fault.Stale:                 {"ServiceUnavailableException", http.StatusServiceUnavailable},
	}
)

// hidden is what a caller reads about an error that shows nothing.
const hidden = "The request processing has failed because of an unknown error, exception or failure."

// failure maps an error to what is written. s is the service that failed; nil where none is known.
func failure(err error, protocol wire.Protocol, s *Service) wire.Failure {
	if r, ok := errors.AsType[*wire.Refusal](err); ok {
		return wire.Failure{Code: r.Code, Message: fault.MessageOf(err), Status: r.Status, Sender: true}
	}
	code, ok := s.code(err)
	if !ok {
		table := queryCodes
		if protocol == wire.JSON {
			table = jsonCodes
		}
		if code, ok = table[fault.KindOf(err)]; !ok {
			code = table[fault.Internal]
		}
	}
	message := fault.MessageOf(err)
	if message == "" {
		message = hidden
	}
	return wire.Failure{Code: code.Code, Message: message, Status: code.Status, Sender: code.Status < 500}
}

// code is the service's own code for an error, if it has one.
func (s *Service) code(err error) (Code, bool) {
	if s == nil {
		return Code{}, false
	}
	if e, ok := errors.AsType[*fault.Error](err); ok && s.Code != nil {
		if code, ok := s.Code(e); ok {
			return code, true
		}
	}
	code, ok := s.Codes[fault.KindOf(err)]
	return code, ok
}
