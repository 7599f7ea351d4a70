package storetest

import "github.com/loge-idp/loge/pkg/store"

// alive says of each name whether its record is there for every operation
// that asks; an operation of another opinion is an error.
func (k *kit) alive(name string) bool {
	k.Helper()
	key := k.key(name)
	read := store.Read{Key: key, Extend: long}
	write := store.Write{Key: key, Fields: store.Fields{"touched": "1"}}
	rotate := store.Rotate{Key: key, Field: "touched", From: "1", To: "1"}
	k.do(&read, &write, &rotate)
	alive := read.Fields != nil
	if write.Written != alive || (rotate.Outcome == store.Taken) != alive || (rotate.Outcome == store.Missing) == alive {
		k.Fatalf("%s: Read says %v, Write %v, Rotate %v", name, alive, write.Written, rotate.Outcome)
	}
	return alive
}

// hang makes a record with two levels below it, and one beside it.
func (k *kit) hang(ttl store.Create) {
	k.Helper()
	ttl.Key = k.key("upper")
	k.create(ttl)
	k.create(store.Create{Key: k.key("lower"), Under: "upper"})
	k.create(store.Create{Key: k.key("lowest"), Under: "lower"})
	k.create(store.Create{Key: k.key("beside")})
}

// fallen checks that what hangs from the upper record is gone, at once.
func (k *kit) fallen() {
	k.Helper()
	for _, name := range []string{"lower", "lowest"} {
		if k.alive(name) {
			k.Errorf("%s is still there", name)
		}
		take := store.Take{Key: k.key(name), By: "somebody"}
		gone := store.Delete{Tag: k.tag, Names: []string{name}}
		k.do(&take, &gone)
		if take.Outcome != store.Missing || take.Fields != nil || gone.Deleted != 0 {
			k.Errorf("%s: Take says %v, Delete %d", name, take.Outcome, gone.Deleted)
		}
	}
	if !k.alive("beside") {
		k.Error("a record that does not hang from it is gone too")
	}
}

func underNothing(k *kit) {
	k.do(&store.Create{Key: k.key("orphan"), Under: "none", TTL: long})
	if k.alive("orphan") {
		k.Error("alive under a record that is not there")
	}
	k.create(store.Create{Key: k.key("none")})
	if k.alive("orphan") {
		k.Error("dead from birth, and alive once the upper record came")
	}
	// The same name under another tag is another record.
	k.do(&store.Create{Key: store.Key{Tag: k.tag + "-other", Name: "elsewhere"}, TTL: long})
	k.do(&store.Create{Key: k.key("orphan"), Under: "elsewhere", TTL: long})
	if k.alive("orphan") {
		k.Error("alive under a record of another tag")
	}
	// Replacing a living record by one that is dead from birth ends it.
	k.create(store.Create{Key: k.key("a")})
	k.do(&store.Create{Key: k.key("a"), Under: "gone", TTL: long, Replace: true})
	if k.alive("a") {
		k.Error("replaced by one that is dead from birth, and still alive")
	}
}

func underDeleted(k *kit) {
	k.hang(store.Create{TTL: long})
	for _, name := range []string{"upper", "lower", "lowest"} {
		if !k.alive(name) {
			k.Errorf("%s is not there", name)
		}
	}
	k.create(store.Create{Key: k.key("taken"), Under: "upper"})
	take := store.Take{Key: k.key("taken"), By: "somebody"}
	k.do(&take, &store.Delete{Tag: k.tag, Names: []string{"upper"}})
	if take.Outcome != store.Taken {
		k.Errorf("Take of a lower record: %v", take.Outcome)
	}
	k.do(&take)
	if take.Outcome != store.Missing {
		k.Errorf("Take of a spent record under one that is gone: %v, want Missing", take.Outcome)
	}
	k.fallen()
}

func underExpired(k *kit) {
	k.hang(store.Create{TTL: long})
	k.do(&store.Delete{Tag: k.tag, Names: []string{"upper"}})
	k.create(store.Create{Key: k.key("upper"), TTL: k.moment})
	k.do(&store.Create{Key: k.key("lower"), Under: "upper", TTL: long}, &store.Create{Key: k.key("lowest"), Under: "lower", TTL: long})
	k.after(k.moment, "what hangs from an expired record is gone", func() bool { return k.read("lowest") == nil })
	k.fallen()
}

func underTaken(k *kit) {
	k.hang(store.Create{TTL: long})
	k.do(&store.Take{Key: k.key("upper"), By: "somebody"})
	k.fallen()
}

func underRotated(k *kit) {
	k.hang(store.Create{TTL: long, Fields: store.Fields{"f": "1"}})
	k.do(&store.Rotate{Key: k.key("upper"), Field: "f", From: "1", To: "2"})
	if !k.alive("lowest") {
		k.Error("gone after a good rotation of the upper record")
	}
	k.do(&store.Rotate{Key: k.key("upper"), Field: "f", From: "wrong", To: "3"})
	k.fallen()
}

func underAgain(k *kit) {
	k.hang(store.Create{TTL: long})
	k.do(&store.Delete{Tag: k.tag, Names: []string{"upper"}})
	k.create(store.Create{Key: k.key("upper")})
	k.fallen()
}

func underReplaced(k *kit) {
	k.hang(store.Create{TTL: long})
	k.create(store.Create{Key: k.key("upper"), Replace: true})
	if !k.alive("lowest") {
		k.Error("gone though the upper record was never gone, only overwritten")
	}
}

func underItself(k *kit) {
	k.do(&store.Create{Key: k.key("a"), Under: "a", TTL: long})
	k.create(store.Create{Key: k.key("b")})
	k.create(store.Create{Key: k.key("c"), Under: "b"})
	k.do(&store.Create{Key: k.key("b"), Under: "c", TTL: long, Replace: true})
	// Whatever they are now, a circle must not stop the store.
	k.do(&store.Read{Key: k.key("a")}, &store.Read{Key: k.key("b")}, &store.Read{Key: k.key("c")})
}
