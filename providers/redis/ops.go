package redis

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/loge-idp/loge/pkg/store"
)

// errReply is an answer that the script never gives: another script under the
// same digest, or a proxy that is no Redis.
var errReply = errors.New("unexpected answer")

// call is one operation as the script understands it.
type call struct {
	keys []string
	args []any
	// read fills in the results of the operation.
	read func(reply []any) error
}

// tag is what the keys of a call have in common.
func (c call) tag() string {
	tag, _, _ := strings.Cut(c.keys[0], "}")
	return tag
}

// escape keeps braces out of a tag, so that a tag may be any text, also one
// that a stranger typed, and yet decides the slot alone and never meets
// another one. The empty tag gets a sign of its own: with "{}" Redis would
// hash the whole key.
var escape = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D")

func (s *redisStore) tag(tag string) string {
	if tag == "" {
		tag = "%"
	} else {
		tag = escape.Replace(tag)
	}
	return s.prefix + "{" + tag + "}"
}

func (s *redisStore) record(k store.Key) []string { return []string{s.tag(k.Tag) + ":" + k.Name} }

func (s *redisStore) queue(name string) []string {
	tag := s.tag(name)
	return []string{tag + "#due", tag + "#jobs"}
}

// asks reports whether an operation changes nothing that would be missed.
func asks(op store.Op) bool {
	switch op.(type) {
	case *store.Read, *store.List:
		return true
	}
	return false
}

// prepare checks an operation and translates it. An error is a mistake of the
// program: nothing was sent.
func (s *redisStore) prepare(op store.Op) (call, error) {
	switch op := op.(type) {
	case *store.Create:
		return s.create(op)
	case *store.Read:
		return s.read(op)
	case *store.Write:
		return s.write(op)
	case *store.Take:
		return s.take(op)
	case *store.Delete:
		return s.delete(op)
	case *store.Rotate:
		return s.rotate(op)
	case *store.Hit:
		return s.hit(op)
	case *store.Push:
		return s.push(op)
	case *store.Pull:
		return s.pull(op)
	case *store.List:
		return s.list(op)
	case *store.Drop:
		return s.drop(op)
	}
	return call{}, fmt.Errorf("%T is no operation of this store", op)
}

func (s *redisStore) create(op *store.Create) (call, error) {
	if op.TTL <= 0 {
		return call{}, errors.New("Create: TTL must be positive")
	}
	fields, err := flat("Create", op.Fields)
	args := []any{"create", ms(op.TTL), ms(op.Life), flag(op.Replace), birth(), op.Under}
	return call{s.record(op.Key), append(args, fields...), func(reply []any) error {
		n, err := integers(reply, 1)
		op.Created = err == nil && n[0] == 1
		return err
	}}, err
}

func (s *redisStore) read(op *store.Read) (call, error) {
	return call{s.record(op.Key), []any{"read", ms(op.Extend)}, func(reply []any) (err error) {
		op.Fields, op.TTL = nil, 0
		if len(reply) == 0 {
			return nil
		}
		n, err := integers(reply, 1)
		if err != nil {
			return err
		}
		op.TTL = duration(n[0])
		op.Fields, err = fields(reply, 1)
		return err
	}}, nil
}

func (s *redisStore) write(op *store.Write) (call, error) {
	fields, err := flat("Write", op.Fields)
	return call{s.record(op.Key), append([]any{"write"}, fields...), func(reply []any) error {
		n, err := integers(reply, 1)
		op.Written = err == nil && n[0] == 1
		return err
	}}, err
}

func (s *redisStore) take(op *store.Take) (call, error) {
	if op.By == "" {
		return call{}, errors.New("Take: By must be random, not empty")
	}
	keep := op.Keep
	if keep <= 0 {
		keep = time.Minute
	}
	return call{s.record(op.Key), []any{"take", op.By, ms(keep)}, func(reply []any) error {
		op.Outcome, op.Fields, op.At, op.TTL = store.Missing, nil, time.Time{}, 0
		n, err := integers(reply, 1)
		if err != nil || store.Outcome(n[0]) == store.Missing {
			return err
		}
		if n, err = integers(reply, 3); err != nil {
			return err
		}
		op.Outcome = store.Outcome(n[0])
		if op.Outcome == store.Taken {
			op.TTL = duration(n[2])
		} else {
			op.At = time.UnixMilli(n[1])
		}
		op.Fields, err = fields(reply, 3)
		return err
	}}, nil
}

func (s *redisStore) delete(op *store.Delete) (call, error) {
	base := s.tag(op.Tag) + ":"
	keys := make([]string, len(op.Names))
	for i, name := range op.Names {
		keys[i] = base + name
	}
	op.Deleted = 0
	return call{keys, []any{"delete"}, func(reply []any) error {
		n, err := integers(reply, 1)
		if err == nil {
			op.Deleted = int(n[0])
		}
		return err
	}}, nil
}

func (s *redisStore) rotate(op *store.Rotate) (call, error) {
	if owned(op.Field) {
		return call{}, errOwned("Rotate")
	}
	args := []any{"rotate", op.Field, op.From, op.To, ms(op.Grace), ms(op.Extend)}
	return call{s.record(op.Key), args, func(reply []any) error {
		op.Outcome, op.Fields = store.Missing, nil
		n, err := integers(reply, 1)
		if err != nil || store.Outcome(n[0]) == store.Missing {
			return err
		}
		op.Outcome = store.Outcome(n[0])
		op.Fields, err = fields(reply, 1)
		if err == nil && op.Outcome == store.Taken {
			op.Fields[op.Field] = op.From // also when it is repeated
		}
		return err
	}}, nil
}

func (s *redisStore) hit(op *store.Hit) (call, error) {
	if op.Window <= 0 {
		return call{}, errors.New("Hit: Window must be positive")
	}
	if op.Back {
		return call{s.record(op.Key), []any{"unhit"}, nothing}, nil
	}
	args := []any{"hit", op.Limit, ms(op.Window), ms(op.Pause), ms(op.MaxPause), birth()}
	return call{s.record(op.Key), args, func(reply []any) error {
		n, err := integers(reply, 3)
		if err != nil {
			return err
		}
		op.Allowed, op.Count, op.Retry = n[0] == 1, int(n[1]), duration(n[2])
		return nil
	}}, nil
}

func (s *redisStore) push(op *store.Push) (call, error) {
	return call{s.queue(op.Queue), []any{"push", op.ID, op.Value, ms(op.After)}, nothing}, nil
}

func (s *redisStore) pull(op *store.Pull) (call, error) {
	return call{s.queue(op.Queue), []any{"pull", max(op.Max, 0), ms(op.Lease)}, func(reply []any) (err error) {
		op.Entries, err = entries(reply)
		return err
	}}, nil
}

func (s *redisStore) list(op *store.List) (call, error) {
	return call{s.queue(op.Queue), []any{"list"}, func(reply []any) (err error) {
		op.Entries, err = entries(reply)
		return err
	}}, nil
}

func (s *redisStore) drop(op *store.Drop) (call, error) {
	args := []any{"drop", flag(op.Due)}
	for _, id := range op.IDs {
		args = append(args, id)
	}
	return call{s.queue(op.Queue), args, nothing}, nil
}

func nothing([]any) error { return nil }

// birth need not be secret, only different from that of an earlier record of
// the same name.
func birth() string { return rand.Text()[:13] }

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ms rounds up, so that what is positive stays positive.
func ms(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

func duration(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// owned says whether a field belongs to the store.
func owned(name string) bool { return strings.HasPrefix(name, ".") }

func errOwned(op string) error {
	return fmt.Errorf("%s: a field name must not begin with a dot", op)
}

func flat(op string, f store.Fields) ([]any, error) {
	out := make([]any, 0, 2*len(f))
	for name, value := range f {
		if owned(name) {
			return nil, errOwned(op)
		}
		out = append(out, name, value)
	}
	return out, nil
}

// integers returns the first n parts of a reply.
func integers(reply []any, n int) ([]int64, error) {
	if len(reply) < n {
		return nil, errReply
	}
	out := make([]int64, n)
	for i := range out {
		v, ok := reply[i].(int64)
		if !ok {
			return nil, errReply
		}
		out[i] = v
	}
	return out, nil
}

// fields returns part i of a reply, the fields of a record, without those of
// the store.
func fields(reply []any, i int) (store.Fields, error) {
	if len(reply) <= i {
		return nil, errReply
	}
	list, ok := reply[i].([]any)
	if !ok || len(list)%2 != 0 {
		return nil, errReply
	}
	out := make(store.Fields, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		name, ok := list[i].(string)
		value, ok2 := list[i+1].(string)
		if !ok || !ok2 {
			return nil, errReply
		}
		if !owned(name) {
			out[name] = value
		}
	}
	return out, nil
}

func entries(reply []any) ([]store.Entry, error) {
	out := make([]store.Entry, len(reply))
	for i := range reply {
		part, ok := reply[i].([]any)
		if !ok || len(part) != 4 {
			return nil, errReply
		}
		id, ok1 := part[0].(string)
		value, ok2 := part[1].(string)
		n, err := integers(part[2:], 2)
		if !ok1 || !ok2 || err != nil {
			return nil, errReply
		}
		out[i] = store.Entry{ID: id, Value: value, Tries: int(n[0]), Due: duration(n[1])}
	}
	return out, nil
}
