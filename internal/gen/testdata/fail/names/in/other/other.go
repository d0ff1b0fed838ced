package other

type Tag struct {
	Name string `json:"name"`
}
