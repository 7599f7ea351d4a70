package ldap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/loge-idp/loge/pkg/directory"

	goldap "github.com/go-ldap/ldap/v3"
)

// Errors of the password policy control (draft-behera-ldap-password-policy
// section 6.2).
const (
	policyExpired          = 0
	policyLocked           = 1
	policyChangeAfterReset = 2
	policyLowQuality       = 5
	policyTooShort         = 6
	policyTooYoung         = 7
	policyInHistory        = 8
)

// errState goes with ErrBadPassword when it is not the password that is wrong,
// but the state of the account.
var errState = errors.New("the state of the account does not allow it")

// bindOutcome turns the answer to a bind into an error of the port.
func bindOutcome(result *goldap.SimpleBindResult, err error) error {
	var controls []goldap.Control
	if result != nil {
		controls = result.Controls
	}
	policy := policyControl(controls)
	switch policy.Error {
	case policyExpired:
		return fmt.Errorf("ldap: bind: %w", &directory.MustChange{Expired: true})
	case policyChangeAfterReset:
		return fmt.Errorf("ldap: bind: %w", &directory.MustChange{})
	case policyLocked:
		return fmt.Errorf("ldap: bind: %w", directory.ErrLocked)
	}
	if err == nil && policy.Grace >= 0 { // let in although it has expired
		return fmt.Errorf("ldap: bind: %w", &directory.MustChange{Expired: true, GraceLogins: int(policy.Grace)})
	}
	var answer *goldap.Error
	if err == nil {
		return nil
	} else if !errors.As(err, &answer) {
		return unavailable("bind", err)
	}
	switch answer.ResultCode {
	case goldap.LDAPResultInvalidCredentials:
		switch activeDirectoryReason(answer.Err) {
		case "532":
			return fmt.Errorf("ldap: bind: %w", &directory.MustChange{Expired: true})
		case "773":
			return fmt.Errorf("ldap: bind: %w", &directory.MustChange{})
		case "533", "701": // right, but disabled; right, but expired
			return fmt.Errorf("ldap: bind: %w: %w", directory.ErrBadPassword, errState)
		case "775": // locked out
			return fmt.Errorf("ldap: bind: %w", directory.ErrLocked)
		}
		return fmt.Errorf("ldap: bind: %w", directory.ErrBadPassword)
	case goldap.LDAPResultConstraintViolation: // 389ds: too many failures
		return fmt.Errorf("ldap: bind: %w", directory.ErrLocked)
	case goldap.LDAPResultInappropriateAuthentication, // no password
		goldap.LDAPResultNoSuchObject,
		goldap.LDAPResultUnwillingToPerform: // 389ds: inactivated
		return fmt.Errorf("ldap: bind: %w", directory.ErrBadPassword)
	}
	return unavailable("bind", err)
}

// policyControl is the password policy control of an answer; one that says
// nothing when there is none.
func policyControl(controls []goldap.Control) *goldap.ControlBeheraPasswordPolicy {
	c, ok := goldap.FindControl(controls, goldap.ControlTypeBeheraPasswordPolicy).(*goldap.ControlBeheraPasswordPolicy)
	if !ok {
		return goldap.NewControlBeheraPasswordPolicy()
	}
	return c
}

// activeDirectoryReason is the hexadecimal code in "… AcceptSecurityContext
// error, data 773, v4563" (MS-ADTS 3.1.1.3.4.5).
func activeDirectoryReason(text error) string {
	_, rest, _ := strings.Cut(text.Error(), "error, data ")
	code, _, _ := strings.Cut(rest, ",")
	return strings.ToLower(code)
}

// refusal turns the answer to a new password into an error of the port.
// go-ldap drops the controls of an answer that is an error, so they are read
// from its packet.
func refusal(operation string, err error) error {
	var answer *goldap.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answer) || answer.Packet == nil:
		return unavailable(operation, err)
	}
	why := map[int8]string{
		policyLowQuality: "weak",
		policyTooShort:   "too_short",
		policyTooYoung:   "too_young",
		policyInHistory:  "in_history",
	}[policyControl(packetControls(answer)).Error]
	switch {
	case why != "":
	case answer.ResultCode == goldap.LDAPResultConstraintViolation:
		why = "other"
	case answer.ResultCode == goldap.LDAPResultUnwillingToPerform && strings.Contains(answer.Err.Error(), "0000052D"):
		why = "other" // Active Directory: length, complexity or history, it does not say which
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultBusy, goldap.LDAPResultUnavailable, goldap.LDAPResultReferral):
		return unavailable(operation, err)
	default:
		return fmt.Errorf("ldap: %s: %w", operation, err)
	}
	return fmt.Errorf("ldap: %s: %w", operation, &directory.Rejection{Why: why})
}

func packetControls(answer *goldap.Error) []goldap.Control {
	if len(answer.Packet.Children) < 3 {
		return nil
	}
	var out []goldap.Control
	for _, child := range answer.Packet.Children[2].Children {
		if c, err := goldap.DecodeControl(child); err == nil {
			out = append(out, c)
		}
	}
	return out
}
