package oidc_test

import (
	"fmt"

	"github.com/loge-idp/loge/pkg/plugin"
	"github.com/loge-idp/loge/providers/oidc"
)

// A section of the configuration, as YAML gives it.
func ExampleConfig() {
	var config oidc.Config
	err := plugin.Strict([]byte(`{
	  "accessLife": "5m",
	  "clients": [{
	    "id": "moodle",
	    "name": "Moodle",
	    "secretHash": "1b0a0ba7aa5d3b46a4c6dd7d1d0d0b6a2e6ed4b5e0fc0ce5b2d7c0d2f2f0a9c1",
	    "redirectURIs": ["https://moodle.example.fr/admin/oauth2callback.php"],
	    "backchannelLogoutURI": "https://moodle.example.fr/logout",
	    "attributes": ["supannEtuId"],
	    "grace": "allow"
	  }, {
	    "id": "campus-app",
	    "name": "Campus",
	    "public": true,
	    "redirectURIs": ["http://127.0.0.1/callback", "fr.example.campus:/callback"],
	    "scopes": ["openid", "profile", "offline_access"]
	  }]
	}`), &config)
	for _, client := range config.Clients {
		fmt.Println(client.Name, client.RedirectURIs)
	}
	fmt.Println(err)
	// Output:
	// Moodle [https://moodle.example.fr/admin/oauth2callback.php]
	// Campus [http://127.0.0.1/callback fr.example.campus:/callback]
	// <nil>
}
