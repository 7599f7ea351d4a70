package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/pkg/sso"
)

// Application is one that several protocols know: an application on its way
// from CAS to OpenID Connect, or one that speaks both. What is said of it here
// holds for all of them.
type Application struct {
	sso.RelyingParty
	// Protocols are what only one of them needs to know, by the name of the
	// protocol: an item of its own list, without the keys of RelyingParty.
	Protocols map[string]plugin.Section `json:"protocols"`
}

// common are the keys of what holds for all protocols.
var common = func() []string {
	var keys []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[sso.RelyingParty]()) {
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		keys = append(keys, key)
	}
	return keys
}()

// section is the application as one protocol's list has it.
func (a Application) section(protocol string) (plugin.Section, error) {
	var own map[string]json.RawMessage
	if err := json.Unmarshal(a.Protocols[protocol], &own); err != nil {
		return nil, errors.New("must be an object")
	}
	for _, key := range common {
		if _, given := own[key]; given {
			return nil, plugin.At(key, errors.New("belongs to the application, so that it holds for each of its protocols"))
		}
	}
	shared, err := json.Marshal(a.RelyingParty)
	if err != nil {
		return nil, err
	}
	whole := map[string]json.RawMessage{}
	if err := json.Unmarshal(shared, &whole); err != nil {
		return nil, err
	}
	maps.Copy(whole, own)
	return json.Marshal(whole)
}

// protocolNames are those that have a section or an application.
func (c Config) protocolNames() []string {
	names := slices.Collect(maps.Keys(c.Protocols))
	for _, a := range c.Applications {
		names = slices.AppendSeq(names, maps.Keys(a.Protocols))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// add gives a protocol its applications. The places are those under which it
// will name them, and where they are in the file.
func (c Config) add(name string, config any) (places map[string]string, err error) {
	places = map[string]string{}
	for i, a := range c.Applications {
		if a.Protocols[name] == nil {
			continue
		}
		place := fmt.Sprintf("applications[%d].protocols.%s", i, name)
		adder, ok := config.(sso.Adder)
		if !ok {
			return nil, plugin.At(place, errors.New("this protocol cannot share applications"))
		}
		section, err := a.section(name)
		if err != nil {
			return nil, plugin.At(place, err)
		}
		named, err := adder.Add(section)
		if err != nil {
			return nil, plugin.At(place, err)
		}
		places[named] = place
	}
	return places, nil
}

// replace says where in the file the fault of an application is.
func replace(places map[string]string, name string, err error) error {
	var at *plugin.Error
	if errors.As(err, &at) {
		for named, place := range places {
			if rest, ok := strings.CutPrefix(at.Path, named); ok {
				return &plugin.Error{Path: place + rest, Err: at.Err}
			}
		}
	}
	return plugin.At("protocols."+name, err)
}
