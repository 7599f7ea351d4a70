package server

import (
	"errors"

	"github.com/loge-idp/loge/pkg/directory"
	"github.com/loge-idp/loge/pkg/login"
)

// establishments is nil where the configuration names none.
func (o *opening) establishments(d directory.Directory, flow *login.Flow) (*login.Establishments, error) {
	network := o.config.Establishments
	if network.Attribute == "" {
		return nil, nil
	}
	editor, ok := d.(directory.Editor)
	if !ok {
		return nil, o.config.source.at("establishments", errors.New("are kept in the directory, and this one can be changed in nothing but passwords"))
	}
	for key, name := range map[string]string{"attribute": network.Attribute, "current": network.Current} {
		if err := o.reads(d, "establishments."+key, name); err != nil {
			return nil, err
		}
	}
	return &login.Establishments{Network: network, Flow: flow, Editor: editor}, nil
}
