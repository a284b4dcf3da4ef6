"""What the API of the dashboard answers, as structs: the OpenAPI document and the page are made from them."""
