package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/connector"
)

// verdict is what an error of the client means for a session.
type verdict struct {
	reason connector.Reason // 0: it may pass, so try again
	hint   string
}

// codes are the errors of brokers that do not pass. All others are tried again until
// the budget of the session is used up.
var codes = []struct {
	reason connector.Reason
	hint   string
	errs   []*kerr.Error
}{
	{connector.Unauthorized, "check sasl.username and sasl.password", []*kerr.Error{kerr.SaslAuthenticationFailed}},
	{connector.Misconfig, "the broker offers other SASL mechanisms; check sasl.mechanism", []*kerr.Error{
		kerr.UnsupportedSaslMechanism, kerr.IllegalSaslState,
	}},
	{connector.Unauthorized, "a source needs Read and Describe on its topic, a sink Write and Describe", []*kerr.Error{kerr.TopicAuthorizationFailed}},
	{connector.Unauthorized, "the member needs Read on its consumer group", []*kerr.Error{kerr.GroupAuthorizationFailed}},
	{connector.Unauthorized, "a sink needs Write on its topic; before Kafka 2.8 IdempotentWrite on the cluster, too", []*kerr.Error{kerr.ClusterAuthorizationFailed}},
	{connector.Misconfig, "the topic was deleted, or deleted and created again, while it was in use", []*kerr.Error{
		kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InconsistentTopicID,
	}},
	{connector.Misconfig, "", []*kerr.Error{kerr.InvalidTopicException, kerr.InvalidGroupID, kerr.PolicyViolation, kerr.InvalidConfig}},
	{connector.Misconfig, "the other members of the group use another protocol: set protocol to theirs, or take another group",
		[]*kerr.Error{kerr.InconsistentGroupProtocol, kerr.UnsupportedAssignor}},
	{connector.Misconfig, "the broker's group.max.size allows no more members", []*kerr.Error{kerr.GroupMaxSizeReached}},
	{connector.Misconfig, "session_timeout must lie between the broker's group.min.session.timeout.ms and group.max.session.timeout.ms",
		[]*kerr.Error{kerr.InvalidSessionTimeout}},
	{connector.Misconfig, "the broker is too old for this; kip848 needs Kafka 4", []*kerr.Error{kerr.UnsupportedVersion}},
	{connector.Misconfig, "the topic does not take this record: a compacted topic wants a key, others may restrict timestamps", []*kerr.Error{
		kerr.InvalidRecord, kerr.InvalidTimestamp,
	}},
	{connector.Fenced, "another member uses the same instance_id", []*kerr.Error{kerr.FencedInstanceID}},
	{connector.Fenced, "", []*kerr.Error{kerr.ProducerFenced, kerr.InvalidProducerEpoch}},
	{connector.DataGap, "", []*kerr.Error{kerr.OffsetOutOfRange}},
}

// judge says whether err passes by itself and, if not, what it means.
func judge(err error) verdict {
	if e, ok := errors.AsType[*kerr.Error](err); ok {
		for _, c := range codes {
			for _, code := range c.errs {
				if code == e {
					return verdict{c.reason, c.hint}
				}
			}
		}
		return verdict{}
	}
	if _, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
		return verdict{connector.DataGap, "the broker lost records that it had acknowledged: compare the topic's replication with what it should be"}
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return verdict{connector.Misconfig, "check tls.ca, and tls.server_name where the certificate names another host"}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return verdict{connector.Unauthorized, "the broker ends the TLS handshake: check tls.cert and tls.key"}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return verdict{connector.Misconfig, "the port answers without TLS: remove tls, or take the broker's TLS port"}
	}
	if notKafka(err) {
		return verdict{connector.Unreachable, "check the port: what answers there is not Kafka, or is Kafka with TLS"}
	}
	return verdict{}
}

// notKafka recognises an answer that no Kafka broker gives; the client has no type
// for it.
func notKafka(err error) bool {
	return strings.Contains(err.Error(), "invalid large response size")
}

// damaged recognises bytes of a batch that are not those that were written; the client
// has no type for it.
func damaged(err error) bool {
	if _, ok := errors.AsType[*kerr.Error](err); ok {
		return false
	}
	text := err.Error()
	for _, how := range []string{
		"does not match calculated crc", "does not match read length", "too short to allow for a crc",
		"not enough data", "unknown magic", "unknown batch magic", "invalid record batch",
	} {
		if strings.Contains(text, how) {
			return true
		}
	}
	return false
}

// ended says that err is about us stopping, not about the cluster.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed)
}

// passing says that an error of a request is worth another try at once.
func passing(err error) bool {
	if e, ok := errors.AsType[*kerr.Error](err); ok {
		// A stale epoch of a KIP-848 member is renewed by its next heartbeat.
		return e.Retriable || e == kerr.StaleMemberEpoch
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return kgo.IsRetryableBrokerErr(err) || errors.Is(err, io.EOF)
}

// fault makes err a *connector.Error where it is one for good; otherwise nil.
func (s *session) fault(place string, err error) *connector.Error {
	if e, ok := errors.AsType[*connector.Error](err); ok {
		return e
	}
	v := judge(err)
	if v.reason == 0 {
		return nil
	}
	return &connector.Error{Reason: v.reason, Place: place, Err: err, Hint: v.hint}
}

// final is fault for an error after which nothing is tried again.
func (s *session) final(place string, err error) *connector.Error {
	if fault := s.fault(place, err); fault != nil {
		return fault
	}
	return &connector.Error{
		Reason: connector.Unreachable, Place: place, Err: err,
		Hint: "the broker does not do what it is asked; its log says why",
	}
}

func topicPlace(name string) string { return fmt.Sprintf("topic %q", name) }

// missing is the error for a topic that does not exist.
func (s *session) missing(topic string) error {
	return &connector.Error{
		Reason: connector.Misconfig, Place: topicPlace(topic),
		Err:  fmt.Errorf("does not exist on %s", s.opts.place()),
		Hint: fmt.Sprintf("create it: levada produce %s --create 1 --brokers %s </dev/null", topic, strings.Join(s.opts.Brokers, ",")),
	}
}
